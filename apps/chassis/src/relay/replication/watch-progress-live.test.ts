import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { captureFault } from "./capture-fault.ts";
import { ensureSlot } from "./ensure-slot.ts";
import { type Lsn, parseLsn, zeroLsn } from "./lsn.ts";
import {
  openTransactionStream,
  type ReplicationSource,
  type TransactionStream,
} from "./read-transactions.ts";
import { openThrowawayPostgres, type ThrowawayPostgres } from "./throwaway-postgres.ts";
import { type ProgressWatchOptions, watchProgress } from "./watch-progress.ts";

let postgres: ThrowawayPostgres;
let source: ReplicationSource;
let slotNumber = 0;

beforeAll(async () => {
  postgres = await openThrowawayPostgres();
  await postgres.sql(`
    create schema quartet;
    create table quartet.outbox (id bigint generated always as identity, type text);
    create table elsewhere (filler text);
    create publication outbox_publication for table quartet.outbox with (publish = 'insert');
    create role poor login replication;
    grant usage on schema quartet to poor;
    grant select on quartet.outbox to poor;
    revoke execute on function pg_logical_emit_message(boolean, text, text, boolean) from public`);
});

afterAll(() => postgres[Symbol.asyncDispose]());

beforeEach(async () => {
  source = { url: postgres.url(), slot: `watched_${++slotNumber}`, publication: "outbox_publication" };
  await ensureSlot(source);
});

afterEach(async () => {
  await expect.poll(() => postgres.sql("select pid from pg_stat_replication")).toEqual([]);
  // What a watch opened it has closed.
  const left =
    "select application_name from pg_stat_activity where application_name like 'quartet-heartbeat-%'";
  await expect.poll(() => postgres.sql(left)).toEqual([]);
  await postgres.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
});

interface Watched extends AsyncDisposable {
  readonly stream: TransactionStream;
  readonly troubles: unknown[];
  /** What the stream failed with, once it has. */
  readonly failure: Promise<unknown>;
  /** Types of the rows that came. */
  readonly types: (string | null | undefined)[];
}

/** A stream under watch whose rows are taken; `settle` acknowledges as it goes. */
async function openWatched(
  options: Partial<ProgressWatchOptions>,
  parts: { readonly settle?: boolean; readonly source?: ReplicationSource } = {},
): Promise<Watched> {
  const stream = await openTransactionStream(parts.source ?? source, { statusIntervalMs: 50 });
  const stop = new AbortController();
  const troubles: unknown[] = [];
  const types: Watched["types"] = [];
  const watching = watchProgress(stream, {
    url: (parts.source ?? source).url,
    slot: source.slot,
    onTrouble: (error) => troubles.push(error),
    signal: stop.signal,
    ...options,
  });
  const failure = (async () => {
    for await (const { rows } of stream) types.push(...rows.map(({ values }) => values["type"]));
  })().catch((error: unknown) => error);
  const settling = setInterval(() => parts.settle && stream.acknowledge(stream.settled), 20);
  return {
    stream,
    troubles,
    failure,
    types,
    [Symbol.asyncDispose]: async () => {
      clearInterval(settling);
      stop.abort();
      await stream[Symbol.asyncDispose]();
      await watching;
      await failure;
    },
  };
}

const slotPositions = async (): Promise<{ readonly confirmed: Lsn; readonly restart: Lsn }> => {
  const [slot] = await postgres.sql<{ confirmed: string; restart: string }>(
    `select confirmed_flush_lsn::text as confirmed, restart_lsn::text as restart
       from pg_replication_slots where slot_name = $1`,
    [source.slot],
  );
  return slot
    ? { confirmed: parseLsn(slot.confirmed), restart: parseLsn(slot.restart) }
    : { confirmed: zeroLsn, restart: zeroLsn };
};

async function walsenderPid(): Promise<number> {
  const [sender] = await postgres.sql<{ pid: number }>("select pid from pg_stat_replication");
  if (!sender) throw new Error("nobody streams");
  return sender.pid;
}

test("on an idle outbox heartbeats come back, and nothing is stalled", async () => {
  await using watched = await openWatched({ heartbeatMs: 40, stallMs: 400 });
  await expect.poll(() => watched.stream.progress.dataBytes).toBeGreaterThan(1_000); // 10 heartbeats or so
  await delay(800);
  expect(watched.stream.ended.aborted).toBe(false);
  expect(watched.troubles).toEqual([]);
  await postgres.sql("insert into quartet.outbox (type) values ('still here')");
  await expect.poll(() => watched.types).toEqual(["still here"]);
});

test("beside a busy table, the slot of an idle outbox moves on and lets WAL go", async () => {
  await using _watched = await openWatched({ heartbeatMs: 40 }, { settle: true });
  const before = await slotPositions();
  for (let turn = 0; turn < 20; turn++) {
    await postgres.sql("insert into elsewhere select repeat('x', 1000) from generate_series(1, 100)");
    await postgres.sql("select pg_log_standby_snapshot()"); // else the server does so every 15 s
  }
  const [end] = await postgres.sql<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn");
  const written = parseLsn(end?.lsn ?? "");
  await expect.poll(async () => (await slotPositions()).confirmed >= written).toBe(true);
  await expect.poll(async () => (await slotPositions()).restart > before.restart).toBe(true);
});

test("a walsender that does nothing is found, although its connection lives", async () => {
  await using watched = await openWatched({ heartbeatMs: 50, stallMs: 400 });
  await expect.poll(() => watched.stream.progress.dataBytes).toBeGreaterThan(0);
  const pid = await walsenderPid();
  process.kill(pid, "SIGSTOP");
  try {
    const failure = await watched.failure;
    expect(captureFault(failure)).toBe("stalled");
    expect(String(failure)).toMatch(/has done nothing for slot watched_\d+ since a heartbeat/);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

test("a walsender that rests for less than the limit costs nothing", async () => {
  await using watched = await openWatched({ heartbeatMs: 50, stallMs: 20_000 });
  await expect.poll(() => watched.stream.progress.dataBytes).toBeGreaterThan(0);
  const pid = await walsenderPid();
  process.kill(pid, "SIGSTOP");
  await postgres.sql("insert into quartet.outbox (type) values ('late')");
  await delay(500);
  expect(watched.types).toEqual([]);
  process.kill(pid, "SIGCONT");
  await expect.poll(() => watched.types).toEqual(["late"]);
});

test("a server that decodes a huge transaction of other tables is not stalled", async () => {
  const spilling = { ...source, url: postgres.url("?options=-c%20logical_decoding_work_mem%3D64kB") };
  await using watched = await openWatched({ heartbeatMs: 50, stallMs: 400 }, { source: spilling });
  await postgres.sql("insert into elsewhere select 'x' from generate_series(1, 1000000)");
  await postgres.sql("insert into quartet.outbox (type) values ('behind it')");
  const came = expect.poll(() => watched.types, { timeout: 50_000 }).toEqual(["behind it"]);
  expect(await Promise.race([came.then(() => "came"), watched.failure])).toBe("came");
  await postgres.sql("truncate elsewhere");
});

test("a consumer that holds back is not stalled", async () => {
  const stream = await openTransactionStream(source, { statusIntervalMs: 50, maxBufferedBytes: 1_000 });
  const stop = new AbortController();
  const watching = watchProgress(stream, {
    url: source.url,
    slot: source.slot,
    heartbeatMs: 20,
    stallMs: 100,
    signal: stop.signal,
  });
  await postgres.sql("insert into quartet.outbox (type) select n from generate_series(1, 100000) as n");
  await expect.poll(() => stream.progress.paused).toBe(true);
  await delay(500);
  expect(stream.ended.aborted).toBe(false);
  stop.abort();
  await watching;
  await stream[Symbol.asyncDispose]();
});

test("a heartbeat that may not be emitted is told of once, and the stream goes on", async () => {
  const poor = { ...source, url: postgres.url().replace("postgres@", "poor@") };
  await using watched = await openWatched({ heartbeatMs: 20, stallMs: 100 }, { source: poor });
  await expect.poll(() => watched.troubles.length).toBe(1);
  await delay(400);
  expect(watched.troubles).toEqual([expect.objectContaining({ code: "42501" })]);
  await postgres.sql("insert into quartet.outbox (type) values ('goes on')");
  await expect.poll(() => watched.types).toEqual(["goes on"]);
});

test("a watch whose connection is lost connects again", async () => {
  await using watched = await openWatched({ heartbeatMs: 30, stallMs: 5_000 });
  const kill = `select pg_terminate_backend(pid) from pg_stat_activity
    where application_name like 'quartet-heartbeat-%'`;
  for (let turn = 0; turn < 5; turn++) {
    const { dataBytes } = watched.stream.progress;
    await postgres.sql(kill);
    await expect.poll(() => watched.stream.progress.dataBytes).toBeGreaterThan(dataBytes);
  }
  expect(watched.stream.ended.aborted).toBe(false);
});
