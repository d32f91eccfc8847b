import { Client, type Pool } from "pg";
import { pino } from "pino";
import { expect } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { testDomain } from "../../apply/test-domain.ts";
import { pollUntil } from "../../cluster/postgres/poll-until.ts";
import type { TestDatabase } from "../../cluster/postgres/test-database.ts";
import { createEventId } from "../../outbox/event-id.ts";
import { openPostgresLog } from "../log/postgres-log.ts";
import { type RelayObserver, silentObserver } from "../relay-observer.ts";
import { type CaptureOptions, type OutboxSource, runCapture } from "./run-capture.ts";

/** Makes a database one with an outbox and a log. */
export async function applyTestSchema(url: string): Promise<void> {
  await applySchema(testDomain, { databaseUrl: url, eventsDatabaseUrl: url });
}

/** Runs statements on a connection of their own. */
export async function runSql<Row extends object>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Publishes events on one connection, `each` per transaction. Returns their ids in commit order. */
export async function publish(url: string, count: number, each = 1): Promise<string[]> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    const ids = Array.from({ length: count }, () => createEventId());
    for (let first = 0; first < count; first += each) {
      await client.query({ name: "publish", text: publishSql, values: [ids.slice(first, first + each)] });
    }
    return ids;
  } finally {
    await client.end();
  }
}

const publishSql = `insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload)
select id, 'test', 'a', 'test.v1.Happened', jsonb_build_object('place', place)
from unnest($1::uuid[]) with ordinality as event (id, place) order by place`;

/** Publishes many events in one transaction, made by the server. */
export async function publishLarge(url: string, count: number): Promise<void> {
  await runSql(
    url,
    `insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload)
select uuidv7(), 'test', 'a', 'test.v1.Happened', jsonb_build_object('place', place) from generate_series(1, $1::int) place`,
    [count],
  );
}

/** A capture that runs. */
export interface TestCapture extends AsyncDisposable {
  /** What it has repaired, in order. */
  readonly repairs: readonly { readonly reason: string; readonly count: number }[];
  /** What it has logged. */
  readonly messages: readonly string[];
  /** Resolves when it has prepared all and streams, for the first time. */
  readonly streaming: Promise<void>;
  /** Takes the lease from it, as if its process had found that it lost it. */
  stop(): Promise<void>;
}

/** Captures an outbox under a lease of its own, as a relay does. */
export function startCapture(
  source: OutboxSource,
  logPool: Pool,
  epoch: bigint,
  options: CaptureOptions = {},
): TestCapture {
  const lease = new AbortController();
  const repairs: { reason: string; count: number }[] = [];
  const observer: RelayObserver = {
    ...silentObserver,
    repaired: (_, reason, count) => void repairs.push({ reason, count }),
  };
  const messages: string[] = [];
  const logger = pino({ level: "info" }, { write: (line) => void messages.push(line) });
  const streaming = Promise.withResolvers<void>();
  const stopPoints = { streaming: async () => streaming.resolve(), ...options.stopPoints };
  const log = openPostgresLog({ pool: logPool });
  const running = runCapture(
    source,
    log,
    { name: "capture", epoch, signal: lease.signal },
    observer,
    logger,
    {
      confirmMs: 200,
      ...options,
      stopPoints,
    },
  );
  const stop = async () => {
    lease.abort();
    await running;
    await log[Symbol.asyncDispose]();
  };
  return { repairs, messages, streaming: streaming.promise, stop, [Symbol.asyncDispose]: stop };
}

/** Waits until all of the outbox is in the log, and checks that it is there once, in the order of transactions, dense. */
export async function expectWhole(outboxUrl: string, logPool: Pool): Promise<void> {
  const outbox = await runSql<OutboxEntry>(
    outboxUrl,
    "select id::text, xmin::text as transaction from quartet.outbox order by place",
  );
  const read = async () =>
    (await logPool.query<{ id: string; seq: bigint }>(logSql, [outbox.map(({ id }) => id)])).rows;
  await expect.poll(async () => (await read()).length, { timeout: 30_000, interval: 50 }).toBe(outbox.length);
  const logged = await read();
  const seqOf = new Map(logged.map(({ id, seq }) => [id, seq]));
  expect(seqOf.size).toBe(outbox.length); // each once
  const last = new Map<string, bigint>();
  for (const { id, transaction } of outbox) {
    const seq = seqOf.get(id) ?? 0n;
    if (seq <= (last.get(transaction) ?? 0n))
      expect.fail(`event ${id} is before the one published before it`);
    last.set(transaction, seq);
  }
  const [dense] = (
    await logPool.query("select count(*) = coalesce(max(seq), 0) as dense from quartet.event_log")
  ).rows;
  expect(dense).toEqual({ dense: true });
}

interface OutboxEntry {
  readonly id: string;
  readonly transaction: string;
}

const logSql =
  "select event_id::text as id, seq from quartet.event_log where event_id = any($1::uuid[]) order by seq";

/** A connection with a transaction of its own. */
export interface TestWriter extends AsyncDisposable {
  /** Begins a transaction that counts as one that writes. */
  begin(): Promise<void>;
  /** Publishes an event whose commit waits for a synchronous standby. Resolves when it is committed. */
  publishSynchronously(): Promise<void>;
}

/** Disposing it rolls back. */
export async function openWriter(url: string): Promise<TestWriter> {
  const client = new Client({ connectionString: url });
  await client.connect();
  let open = true;
  return {
    begin: async () => {
      await client.query("begin; select pg_current_xact_id()");
    },
    publishSynchronously: async () => {
      await client.query("set synchronous_commit = on");
      await client.query({ text: `/* synchronous */ ${publishSql}`, values: [[createEventId()]] });
    },
    [Symbol.asyncDispose]: async () => {
      if (!open) return;
      open = false;
      await client.end();
    },
  };
}

/** Drops a slot, if there is one, as soon as the server has noticed that its reader is gone. */
export async function dropSlot(database: Pick<TestDatabase, "query">, slot: string): Promise<void> {
  const dropped = await pollUntil(
    async () => {
      const [found] = await database.query<{ active: boolean }>(
        "select active from pg_replication_slots where slot_name = $1",
        [slot],
      );
      if (found === undefined) return true;
      if (!found.active) await database.query("select pg_drop_replication_slot($1)", [slot]);
      return undefined;
    },
    { timeoutMs: 10_000, intervalMs: 10 },
  );
  if (dropped === undefined) throw new Error(`${slot} is still being read`);
}
