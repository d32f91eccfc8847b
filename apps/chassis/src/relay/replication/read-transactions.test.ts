import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { captureFault } from "./capture-fault.ts";
import { ensureSlot, recreateSlot } from "./ensure-slot.ts";
import { type Lsn, parseLsn, zeroLsn } from "./lsn.ts";
import {
  openTransactionStream,
  type ReplicationSource,
  type TransactionPart,
  type TransactionStream,
  type TransactionStreamOptions,
} from "./read-transactions.ts";
import { openThrowawayPostgres, type ThrowawayPostgres } from "./throwaway-postgres.ts";

let postgres: ThrowawayPostgres;
let source: ReplicationSource;
let slotNumber = 0;

const schema = `
  create schema quartet;
  create table quartet.outbox (
    id uuid not null default uuidv7(), aggregatetype varchar(255) not null, aggregateid varchar(255) not null,
    type varchar(255) not null, payload jsonb
  ) partition by range (id);
  create table quartet.outbox_default partition of quartet.outbox default;
  create table elsewhere (filler text);
  create publication outbox_publication for table quartet.outbox
    with (publish = 'insert', publish_via_partition_root = true);
`;

beforeAll(async () => {
  postgres = await openThrowawayPostgres();
  await postgres.sql(schema);
}, 60_000);

afterAll(() => postgres[Symbol.asyncDispose]());

beforeEach(async () => {
  source = { url: postgres.url(), slot: `capture_${++slotNumber}`, publication: "outbox_publication" };
  await ensureSlot(source);
});

afterEach(async () => {
  // What a test opened it has closed: nobody reads, and the slot can be dropped.
  expect(await postgres.sql("select slot_name from pg_replication_slots where active")).toEqual([]);
  expect(await postgres.sql("select pid from pg_stat_replication")).toEqual([]);
  await postgres.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
});

/** `writers` connections commit `each` transactions of one row; aggregateid is the writer, type its own count. */
async function write(writers: number, each: number): Promise<void> {
  const statement = {
    name: "append",
    text: "insert into quartet.outbox (aggregatetype, aggregateid, type, payload) values ('order', $1, $2, '{\"a\":1}')",
  };
  const writing = Array.from({ length: writers }, async (_, writer) => {
    const client = new pg.Client(postgres.url());
    await client.connect();
    for (let count = 0; count < each; count++)
      await client.query({ ...statement, values: [`w${writer}`, count] });
    await client.end();
  });
  await Promise.all(writing);
}

/** Commits `count` transactions of one row each, on one connection, as fast as the server can. */
async function writeInLoop(count: number, bytes = 10): Promise<void> {
  await postgres.sql(`do $$ begin for n in 1..${count} loop
    insert into quartet.outbox (aggregatetype, aggregateid, type, payload)
      values ('order', 'loop', n, to_jsonb(repeat('x', ${bytes})));
    commit; end loop; end $$`);
}

/** The next parts; in most tests each is a whole transaction. */
async function take(stream: TransactionStream, count: number): Promise<TransactionPart[]> {
  const taken: TransactionPart[] = [];
  if (count === 0) return taken;
  for await (const part of stream) {
    taken.push(part);
    if (taken.length >= count) break;
  }
  return taken;
}

/** Commits one transaction of so many rows, whose types are their numbers from 0. */
async function writeAtOnce(rows: number, bytes = 10): Promise<void> {
  await postgres.sql(
    `insert into quartet.outbox (aggregatetype, aggregateid, type, payload)
     select 'order', 'big', n, to_jsonb(repeat('x', $1)) from generate_series(0, $2 - 1) as n`,
    [bytes, rows],
  );
}

/** `rounds` times, `writers` open transactions commit at once: their commit records lie side by side in the WAL. */
async function writeAdjacent(writers: number, rounds: number): Promise<void> {
  const clients = Array.from({ length: writers }, () => new pg.Client(postgres.url()));
  await Promise.all(clients.map((client) => client.connect()));
  for (let round = 0; round < rounds; round++) {
    const values = `values ('order', 'adjacent', ${round}, '{}')`;
    const append = `begin; insert into quartet.outbox (aggregatetype, aggregateid, type, payload) ${values}`;
    await Promise.all(clients.map((client) => client.query(append)));
    await Promise.all(clients.map((client) => client.query("commit")));
  }
  await Promise.all(clients.map((client) => client.end()));
}

/** Opens the stream as soon as the server has noticed that its last reader is gone. */
async function reopen(options: TransactionStreamOptions = {}): Promise<TransactionStream> {
  for (const deadline = Date.now() + 10_000; ; await delay(5)) {
    try {
      return await openTransactionStream(source, options);
    } catch (error) {
      if (captureFault(error) !== "slot_active" || Date.now() > deadline) throw error;
    }
  }
}

const names = (parts: readonly TransactionPart[]) =>
  parts.flatMap(({ rows }) => rows.map(({ values }) => `${values["aggregateid"]}/${values["type"]}`));

async function confirmedLsn(): Promise<Lsn> {
  const [slot] = await postgres.sql<{ lsn: string }>(
    "select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1",
    [source.slot],
  );
  return slot ? parseLsn(slot.lsn) : zeroLsn;
}

async function currentLsn(): Promise<Lsn> {
  const [current] = await postgres.sql<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn");
  return current ? parseLsn(current.lsn) : zeroLsn;
}

const killReader = () =>
  postgres.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", [
    source.slot,
  ]);

test("delivers every transaction once, in commit order, under 8 concurrent writers", async () => {
  await using stream = await openTransactionStream(source);
  const [captured] = await Promise.all([take(stream, 2_400), write(8, 300)]);
  const found = names(captured);
  expect(new Set(found).size).toBe(2_400);
  for (let writer = 0; writer < 8; writer++) {
    const own = found.filter((name) => name.startsWith(`w${writer}/`));
    expect(own).toEqual(Array.from({ length: 300 }, (_, count) => `w${writer}/${count}`));
  }
  const ends = captured.map(({ commitEndLsn }) => commitEndLsn ?? zeroLsn);
  expect(ends.every((end, index) => index === 0 || end > (ends[index - 1] ?? end))).toBe(true);
  expect(stream.systemId).toMatch(/^\d+$/);
  expect(stream.timeline).toBe(1);
});

test("tells the table's root, every value as text, and when it was committed", async () => {
  await using stream = await openTransactionStream(source);
  const before = Date.now();
  await postgres.sql(
    `insert into quartet.outbox values ('0197a000-0000-7000-8000-000000000001', 'ü', 'k', 't', '{"a": [1, "€"]}'),
       ('0197a000-0000-7000-8000-000000000002', 'ü', 'k', 't', null)`,
  );
  const [captured] = await take(stream, 1);
  expect(captured?.rows).toEqual([
    {
      relation: "quartet.outbox",
      values: {
        id: "0197a000-0000-7000-8000-000000000001",
        aggregatetype: "ü",
        aggregateid: "k",
        type: "t",
        payload: '{"a": [1, "€"]}',
      },
    },
    {
      relation: "quartet.outbox",
      values: {
        id: "0197a000-0000-7000-8000-000000000002",
        aggregatetype: "ü",
        aggregateid: "k",
        type: "t",
        payload: null,
      },
    },
  ]);
  expect(captured?.commitTime.getTime()).toBeGreaterThanOrEqual(before - 1);
  expect(captured?.commitTime.getTime()).toBeLessThanOrEqual(Date.now() + 1);
});

test("after a crash without acknowledgement delivers again", async () => {
  await writeInLoop(20);
  const stream = await openTransactionStream(source);
  const first = await take(stream, 20);
  await delay(200); // time enough for a wrong status to be sent
  await killReader();
  await expect(take(stream, 1)).rejects.toThrow("Capturing from slot");
  await stream[Symbol.asyncDispose]();
  await using again = await reopen();
  expect(await take(again, 20)).toEqual(first);
});

test("skips nothing when commits are adjacent: after each acknowledgement a reconnect gives the next one", async () => {
  await writeAdjacent(8, 40);
  const reading = await openTransactionStream(source);
  const all = await take(reading, 320);
  await reading[Symbol.asyncDispose]();
  const adjacent = all.filter(({ commitLsn }, index) => all[index - 1]?.commitEndLsn === commitLsn).length;
  expect(adjacent).toBeGreaterThan(100);
  for (const expected of all) {
    await using stream = await reopen();
    const [next] = await take(stream, 1);
    expect(next).toEqual(expected);
    stream.acknowledge(expected.commitEndLsn ?? zeroLsn);
  }
}, 60_000);

/** Reads until `count` different rows are stored, while the connection is killed at random moments. */
async function readThroughKills(count: number, skip: boolean) {
  const stored: string[] = [];
  const point = { commitLsn: zeroLsn, rows: 0 };
  let kills = 0;
  while (new Set(stored).size < count) {
    await using stream = await reopen({ maxPartRows: 3 });
    const killing = delay(Math.random() * 60).then(killReader);
    kills++;
    try {
      for await (const part of stream) {
        const isNew = part.commitLsn > point.commitLsn;
        const known = isNew
          ? 0
          : part.commitLsn < point.commitLsn
            ? part.rows.length
            : point.rows - part.firstRow;
        stored.push(...names([part]).slice(skip ? Math.max(0, known) : 0));
        const rows = part.firstRow + part.rows.length;
        if (isNew || (part.commitLsn === point.commitLsn && rows > point.rows)) {
          Object.assign(point, { commitLsn: part.commitLsn, rows });
        }
        if (part.commitEndLsn !== undefined && Math.random() < 0.5) stream.acknowledge(part.commitEndLsn);
        if (new Set(stored).size >= count) break;
      }
    } catch (error) {
      expect(captureFault(error)).toBe("connection");
    }
    await killing;
  }
  return { stored, kills };
}

/** `writers` connections commit `each` rows, up to 8 of them at once; named as by {@link write}. */
async function writeInGroups(writers: number, each: number): Promise<void> {
  const writing = Array.from({ length: writers }, async (_, writer) => {
    const client = new pg.Client(postgres.url());
    await client.connect();
    for (let first = 0; first < each; ) {
      const last = Math.min(each, first + 1 + Math.floor(Math.random() * 8)) - 1;
      await client.query(
        `insert into quartet.outbox (aggregatetype, aggregateid, type, payload)
         select 'order', $1, n, '{}' from generate_series($2::int, $3::int) as n`,
        [`w${writer}`, first, last],
      );
      first = last + 1;
    }
    await client.end();
  });
  await Promise.all(writing);
}

test.each([
  ["and each row comes once when what is stored is skipped by commit and row", true],
  ["when it relies on the slot alone", false],
])(
  "loses nothing while the connection is killed at random moments, %s",
  async (_, skip) => {
    const [{ stored, kills }] = await Promise.all([readThroughKills(8_000, skip), writeInGroups(8, 1_000)]);
    expect(kills).toBeGreaterThan(5);
    expect(new Set(stored).size).toBe(8_000);
    if (skip) expect(stored.length).toBe(8_000);
  },
  60_000,
);

test("an idle slot stays until the consumer acknowledges what is settled, and then passes what is written elsewhere", async () => {
  await using stream = await openTransactionStream(source, { statusIntervalMs: 50 });
  const before = await confirmedLsn();
  await postgres.sql("insert into elsewhere select repeat('x', 1000) from generate_series(1, 1000)");
  const end = await currentLsn();
  await expect.poll(() => stream.settled >= end, { timeout: 5_000 }).toBe(true);
  await statusesSent(stream);
  expect(await confirmedLsn()).toBe(before);
  const { settled } = stream;
  stream.acknowledge(settled);
  await expect.poll(confirmedLsn).toBe(settled);
});

test("one transaction that is not acknowledged holds the slot, whatever is written elsewhere", async () => {
  await using stream = await openTransactionStream(source, { statusIntervalMs: 50 });
  await writeInLoop(2);
  const [first, second] = await take(stream, 2);
  stream.acknowledge(first?.commitEndLsn ?? zeroLsn);
  for (let turn = 0; turn < 5; turn++) {
    await postgres.sql("insert into elsewhere values ('x')");
    await statusesSent(stream);
    stream.acknowledge(stream.settled);
  }
  expect(stream.settled).toBe(first?.commitEndLsn);
  expect(await confirmedLsn()).toBe(first?.commitEndLsn);
  const end = await currentLsn();
  stream.acknowledge(second?.commitEndLsn ?? zeroLsn);
  await expect.poll(() => stream.settled >= end, { timeout: 5_000 }).toBe(true);
  stream.acknowledge(stream.settled);
  await expect.poll(async () => (await confirmedLsn()) >= end, { timeout: 5_000 }).toBe(true);
});

/** Waits until the server has named the end of its WAL, in answer to a status. */
async function statusesSent(stream: TransactionStream): Promise<void> {
  const end = await currentLsn();
  await expect.poll(() => stream.progress.walEnd >= end, { timeout: 5_000 }).toBe(true);
}

test("an acknowledgement beyond what was handed over acknowledges what was handed over", async () => {
  await using stream = await openTransactionStream(source);
  await writeInLoop(10);
  const [first] = await take(stream, 1);
  await delay(100);
  stream.acknowledge(parseLsn("FFFFFFFF/FFFFFFFF"));
  await expect.poll(confirmedLsn).toBe(first?.commitEndLsn);
});

test("a paused consumer keeps the connection and loses nothing", async () => {
  const impatient = { ...source, url: postgres.url("?options=-c%20wal_sender_timeout%3D1s") };
  await using stream = await openTransactionStream(impatient, { maxBufferedBytes: 64 * 1024 });
  const pid = () => postgres.sql("select active_pid from pg_replication_slots where active");
  const before = await pid();
  await writeInLoop(20_000, 1_000);
  await delay(4_000);
  expect(stream.takeReceived(100_000).length).toBeLessThan(2_000); // 64 KiB and what one read of the socket brings
  expect(await pid()).toEqual(before);
  const last = await readUntilLast(stream, "20000");
  stream.acknowledge(last.commitEndLsn ?? zeroLsn);
  await expect.poll(confirmedLsn).toBe(last.commitEndLsn);
}, 30_000);

/** Reads on and checks that the numbers of the loop have no gap. */
async function readUntilLast(stream: TransactionStream, lastType: string): Promise<TransactionPart> {
  let before: number | undefined;
  for await (const part of stream) {
    const type = part.rows[0]?.values["type"] ?? "";
    if (before !== undefined) expect(Number(type)).toBe(before + 1);
    before = Number(type);
    if (type === lastType) return part;
  }
  throw new Error("The stream ended early.");
}

test("a transaction of 200,000 rows passes a slow consumer within the limit of the buffer", async () => {
  const maxBufferedBytes = 256 * 1024;
  await using stream = await openTransactionStream(source, { maxBufferedBytes });
  await writeInLoop(1);
  await writeAtOnce(200_000);
  await writeInLoop(1);
  let most = 0;
  let pauses = 0;
  let rows = 0;
  const parts: TransactionPart[] = [];
  for await (const part of stream) {
    await delay(2); // slower than the server
    most = Math.max(most, stream.progress.bufferedBytes);
    if (stream.progress.paused) pauses++;
    const key = part.rows[0]?.values["aggregateid"];
    if (key === "loop" && rows === 0) continue; // the transaction before it
    if (key === "loop") break; // the one after it
    expect(part.firstRow).toBe(rows);
    expect(part.rows.map(({ values }) => Number(values["type"]))).toEqual(
      part.rows.map((_, row) => rows + row),
    );
    rows += part.rows.length;
    parts.push({ ...part, rows: [] });
  }
  expect(rows).toBe(200_000);
  expect(pauses).toBeGreaterThan(10);
  expect(most).toBeLessThanOrEqual(maxBufferedBytes + 64 * 1024); // and what one read of the socket brings
  expect(new Set(parts.map(({ commitLsn }) => commitLsn)).size).toBe(1);
  expect(parts.findIndex(({ commitEndLsn }) => commitEndLsn !== undefined)).toBe(parts.length - 1);
}, 60_000);

test("a transaction that is cut exactly at its end brings its commit end in a part without rows", async () => {
  await using stream = await openTransactionStream(source, { maxPartRows: 5 });
  await writeAtOnce(10);
  const parts = await take(stream, 3);
  expect(parts.map(({ firstRow, rows, commitEndLsn }) => [firstRow, rows.length, commitEndLsn])).toEqual([
    [0, 5, undefined],
    [5, 5, undefined],
    [10, 0, expect.any(BigInt)],
  ]);
});

test("a connection that is lost within a transaction brings it again from its first row", async () => {
  await writeInLoop(1);
  await writeAtOnce(50_000);
  const torn = await openTransactionStream(source, { maxBufferedBytes: 100_000 });
  const [before, ...first] = await take(torn, 12);
  const inTheMidst = torn.settled;
  torn.acknowledge(parseLsn("FFFFFFFF/FFFFFFFF"));
  expect(torn.settled).toBe(before?.commitEndLsn); // so far the consumer may go, and no further
  await expect.poll(confirmedLsn).toBe(before?.commitEndLsn);
  await killReader();
  expect(captureFault(await take(torn, 1_000_000).catch((error: unknown) => error))).toBe("connection");
  await torn[Symbol.asyncDispose]();
  expect(inTheMidst < (first[0]?.commitLsn ?? zeroLsn)).toBe(true);
  await using again = await reopen({ maxPartRows: 15_000 });
  const parts = await take(again, 4);
  expect(parts.map(({ firstRow }) => firstRow)).toEqual([0, 15_000, 30_000, 45_000]);
  expect(new Set([...first, ...parts].map(({ commitLsn }) => commitLsn)).size).toBe(1);
  expect(names(parts).slice(0, 1_000)).toEqual(names(first).slice(0, 1_000));
  expect(parts.at(-1)?.commitEndLsn).toBeDefined();
}, 30_000);

test("messages of anybody pass, bring nothing and hold nothing", async () => {
  await using stream = await openTransactionStream(source);
  await postgres.sql("select pg_logical_emit_message(true, 'of others', repeat('x', 1000000))");
  await postgres.sql("select pg_logical_emit_message(false, 'of others', 'y')");
  await postgres.sql(`do $$ begin perform pg_logical_emit_message(true, 'a', 'b');
    insert into quartet.outbox (aggregatetype, aggregateid, type) values ('order', 'after', 'messages');
    perform pg_logical_emit_message(true, 'a', 'b'); end $$`);
  const [captured] = await take(stream, 1);
  expect(names(captured ? [captured] : [])).toEqual(["after/messages"]);
  expect(stream.progress.bufferedBytes).toBe(0);
  expect(stream.settled > zeroLsn && stream.settled < (captured?.commitLsn ?? zeroLsn)).toBe(true);
});

test("takes what is here until it has as many rows as are asked for", async () => {
  await using stream = await openTransactionStream(source);
  await writeAtOnce(4);
  await writeInLoop(6);
  await writeAtOnce(4);
  await expect.poll(() => stream.progress.bufferedBytes > 0).toBe(true);
  await statusesSent(stream);
  expect(stream.takeReceived(6).map(({ rows }) => rows.length)).toEqual([4, 1, 1]);
  expect(stream.takeReceived(5).map(({ rows }) => rows.length)).toEqual([1, 1, 1, 1, 4]);
  expect(stream.takeReceived(5)).toEqual([]);
});

test("updates and deletes are ignored with one warning each", async () => {
  const warnings: string[] = [];
  await postgres.sql("create table quartet.loose (id int primary key); insert into quartet.loose values (1)");
  await postgres.sql("create publication loose_publication for table quartet.loose");
  source = { ...source, publication: "loose_publication" };
  await recreateSlot(source); // a slot reads WAL from before its publication as a fault
  await using stream = await openTransactionStream(source, {
    onWarning: (message) => warnings.push(message),
  });
  await postgres.sql("update quartet.loose set id = 2");
  await postgres.sql("update quartet.loose set id = 3");
  await postgres.sql("delete from quartet.loose");
  await postgres.sql("insert into quartet.loose values (4)");
  const [captured] = await take(stream, 1);
  expect(captured?.rows).toEqual([{ relation: "quartet.loose", values: { id: "4" } }]);
  expect(warnings).toEqual([
    expect.stringContaining("Ignored update on quartet.loose"),
    expect.stringContaining("Ignored delete on quartet.loose"),
  ]);
});

test("reports a slot that another process reads", async () => {
  await using _stream = await openTransactionStream(source);
  const second = await openTransactionStream(source).catch((error: unknown) => error);
  expect(second).toMatchObject({ code: "unavailable" });
  expect(captureFault(second)).toBe("slot_active");
  expect(captureFault(await recreateSlot(source).catch((error: unknown) => error))).toBe("slot_active");
});

test("reports a missing slot, a missing publication, an unreachable server", async () => {
  const fault = async (changed: Partial<ReplicationSource>) =>
    captureFault(await openTransactionStream({ ...source, ...changed }).catch((error: unknown) => error));
  expect(await fault({ slot: "nowhere" })).toBe("slot_missing");
  expect(await fault({ publication: "nowhere" })).toBe("publication_missing");
  expect(await fault({ url: "postgres://postgres@127.0.0.1:1/postgres" })).toBe("connection");
  expect(await fault({ url: "postgres://postgres@nowhere.invalid/postgres" })).toBe("connection");
  const unreachable = { ...source, url: "postgres://postgres@127.0.0.1:1/postgres" };
  expect(captureFault(await ensureSlot(unreachable).catch((error: unknown) => error))).toBe("connection");
  const unpublished = { ...source, slot: "unpublished", publication: "nowhere" };
  expect(captureFault(await ensureSlot(unpublished).catch((error: unknown) => error))).toBe(
    "publication_missing",
  );
});

test("reports a publication that is dropped while it reads, instead of skipping events", async () => {
  await postgres.sql("create publication fleeting for table quartet.outbox");
  await using stream = await openTransactionStream({ ...source, publication: "fleeting" });
  await writeInLoop(1);
  expect((await take(stream, 1)).length).toBe(1);
  await postgres.sql("drop publication fleeting");
  await writeInLoop(1);
  const failure = await take(stream, 1).catch((error: unknown) => error);
  expect(captureFault(failure)).toBe("publication_missing");
});

test("reports a lost slot and reads again after it is made anew", async () => {
  await postgres.sql("alter system set max_slot_wal_keep_size = '16MB'");
  await postgres.sql("select pg_reload_conf()");
  try {
    for (let segment = 0; segment < 8; segment++) {
      await postgres.sql("insert into elsewhere values ('x')");
      await postgres.sql("select pg_switch_wal()");
    }
    await postgres.sql("checkpoint");
    expect(await ensureSlot(source)).toMatchObject({ created: false, state: "lost" });
    const failure = await openTransactionStream(source).catch((error: unknown) => error);
    expect(captureFault(failure)).toBe("slot_lost");
    expect(await recreateSlot(source)).toMatchObject({ created: true, state: "ok" });
    await using stream = await openTransactionStream(source);
    await writeInLoop(1);
    expect((await take(stream, 1)).length).toBe(1);
  } finally {
    await postgres.sql("alter system reset max_slot_wal_keep_size");
    await postgres.sql("select pg_reload_conf()");
  }
}, 30_000);

test("a slot is made once, by whoever comes first, and fails over", async () => {
  const fresh = { ...source, slot: "fresh" };
  const made = await Promise.all([ensureSlot(fresh), ensureSlot(fresh), ensureSlot(fresh)]);
  expect(made.filter(({ created }) => created).length).toBe(1);
  expect(new Set(made.map(({ consistentPoint }) => consistentPoint)).size).toBe(1);
  expect(
    await postgres.sql("select plugin, failover from pg_replication_slots where slot_name = 'fresh'"),
  ).toEqual([{ plugin: "pgoutput", failover: true }]);
});

test("a slot that is still being made is waited for, not reported", async () => {
  const blocker = new pg.Client(postgres.url());
  await blocker.connect();
  await blocker.query("begin; insert into elsewhere values ('a slot waits for this transaction')");
  const slow = { ...source, slot: "slow" };
  const first = ensureSlot(slow);
  const listed = () =>
    postgres.sql("select confirmed_flush_lsn from pg_replication_slots where slot_name = 'slow'");
  await expect.poll(listed).toEqual([{ confirmed_flush_lsn: null }]);
  const second = ensureSlot(slow);
  await delay(150);
  await blocker.query("commit");
  await blocker.end();
  const { consistentPoint } = await first;
  expect(consistentPoint > zeroLsn).toBe(true);
  expect(await second).toEqual({ created: false, consistentPoint, state: "ok" });
});

test("refuses a slot that is not for pgoutput in this database", async () => {
  await postgres.sql("select pg_create_physical_replication_slot('physical')");
  await expect(ensureSlot({ ...source, slot: "physical" })).rejects.toMatchObject({
    code: "failed_precondition",
  });
  await expect(ensureSlot({ ...source, slot: "Not A Slot" })).rejects.toMatchObject({
    code: "invalid_argument",
  });
});

test("ends without an error when disposed or aborted, and sends the last acknowledgement", async () => {
  const abort = new AbortController();
  const stream = await openTransactionStream(source, { signal: abort.signal });
  await writeInLoop(3);
  const [, second] = await take(stream, 2);
  const waiting = take(stream, 5);
  stream.acknowledge(second?.commitEndLsn ?? zeroLsn);
  abort.abort();
  expect((await waiting).length).toBeLessThanOrEqual(1);
  await stream[Symbol.asyncDispose]();
  expect(await confirmedLsn()).toBe(second?.commitEndLsn);
  expect(await take(stream, 1)).toEqual([]);
  await expect(openTransactionStream(source, { signal: abort.signal })).rejects.toMatchObject({
    code: "canceled",
  });
  const opening = new AbortController();
  const opened = openTransactionStream(source, { signal: opening.signal });
  opening.abort();
  await expect(opened).rejects.toMatchObject({ code: "canceled" });
});

test("closes a paused connection and leaves no timer and no socket", async () => {
  const open = () =>
    process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap" || name === "Timeout").length;
  const before = open();
  const stream = await openTransactionStream(source, { maxBufferedBytes: 1_000 });
  await writeInLoop(5_000, 1_000);
  const [, first] = await take(stream, 2); // a row exceeds the buffer, so its commit end comes in a part of its own
  stream.acknowledge(first?.commitEndLsn ?? zeroLsn);
  await stream[Symbol.asyncDispose]();
  expect(open()).toBeLessThanOrEqual(before);
  expect(await confirmedLsn()).toBe(first?.commitEndLsn);
});

test("a server that falls silent is reported as a lost connection", async () => {
  const upstream = new URL(postgres.url("?options=-c%20wal_sender_timeout%3D1s"));
  const serverPort = Number(upstream.port);
  const sockets: Socket[] = [];
  const proxy = createServer((client) => {
    const server = connect(serverPort, upstream.hostname);
    sockets.push(client, server);
    for (const socket of [client, server]) socket.on("error", () => {});
    client.pipe(server).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  upstream.port = String(typeof address === "object" ? address?.port : 0);
  const stream = await openTransactionStream({ ...source, url: upstream.href });
  for (const socket of sockets) socket.unpipe();
  const failure = await take(stream, 1).catch((error: unknown) => error);
  expect(captureFault(failure)).toBe("connection");
  expect(String(failure)).toMatch(/silent for \d+ ms/);
  await stream[Symbol.asyncDispose]();
  for (const socket of sockets) socket.destroy();
  proxy.close();
  await expect.poll(() => postgres.sql("select 1 from pg_replication_slots where active")).toEqual([]);
});
