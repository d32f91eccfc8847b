import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { captureFault } from "./capture-fault.ts";
import { ensureSlot, recreateSlot } from "./ensure-slot.ts";
import { type Lsn, parseLsn, zeroLsn } from "./lsn.ts";
import {
  type CapturedTransaction,
  openTransactionStream,
  type ReplicationSource,
  type TransactionStream,
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

async function take(stream: TransactionStream, count: number): Promise<CapturedTransaction[]> {
  const taken: CapturedTransaction[] = [];
  if (count === 0) return taken;
  for await (const transaction of stream) {
    taken.push(transaction);
    if (taken.length >= count) break;
  }
  return taken;
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
async function reopen(startAfter?: Lsn): Promise<TransactionStream> {
  for (const deadline = Date.now() + 10_000; ; await delay(5)) {
    try {
      return await openTransactionStream(source, startAfter === undefined ? {} : { startAfter });
    } catch (error) {
      if (captureFault(error) !== "slot_active" || Date.now() > deadline) throw error;
    }
  }
}

const names = (transactions: readonly CapturedTransaction[]) =>
  transactions.flatMap(({ rows }) => rows.map(({ values }) => `${values["aggregateid"]}/${values["type"]}`));

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
  const ends = captured.map(({ commitEndLsn }) => commitEndLsn);
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

test("leaves out what is stored already, and acknowledges it", async () => {
  await writeInLoop(20);
  const all = await openTransactionStream(source);
  const first = await take(all, 20);
  await all[Symbol.asyncDispose]();
  const startAfter = first[9]?.commitEndLsn ?? zeroLsn;
  await using stream = await reopen(startAfter);
  expect(await take(stream, 10)).toEqual(first.slice(10));
  await expect.poll(confirmedLsn).toBe(startAfter);
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
    stream.acknowledge(expected.commitEndLsn);
  }
}, 60_000);

/** Reads until `count` different rows are stored, while the connection is killed at random moments. */
async function readThroughKills(count: number, resume: boolean) {
  const stored: string[] = [];
  let position: Lsn | undefined;
  let kills = 0;
  while (new Set(stored).size < count) {
    await using stream = await reopen(resume ? position : undefined);
    const killing = delay(Math.random() * 60).then(killReader);
    kills++;
    try {
      for await (const transaction of stream) {
        stored.push(...names([transaction]));
        position = transaction.commitEndLsn;
        if (Math.random() < 0.5) stream.acknowledge(position);
        if (new Set(stored).size >= count) break;
      }
    } catch (error) {
      expect(captureFault(error)).toBe("connection");
    }
    await killing;
  }
  return { stored, kills };
}

test.each([
  ["and hands over each once when it resumes after the stored position", true],
  ["when it relies on the slot alone", false],
])(
  "loses nothing while the connection is killed at random moments, %s",
  async (_, resume) => {
    const [{ stored, kills }] = await Promise.all([readThroughKills(4_000, resume), write(8, 500)]);
    expect(kills).toBeGreaterThan(5);
    expect(new Set(stored).size).toBe(4_000);
    if (resume) expect(stored.length).toBe(4_000);
  },
  60_000,
);

test("an idle slot advances over what is written elsewhere", async () => {
  await using _stream = await openTransactionStream(source);
  await postgres.sql("insert into elsewhere select repeat('x', 1000) from generate_series(1, 1000)");
  const end = await currentLsn();
  await expect.poll(async () => (await confirmedLsn()) >= end, { timeout: 5_000 }).toBe(true);
});

test("one transaction that is not acknowledged holds the slot, whatever is written elsewhere", async () => {
  await using stream = await openTransactionStream(source, { statusIntervalMs: 50 });
  await writeInLoop(2);
  const [first, second] = await take(stream, 2);
  stream.acknowledge(first?.commitEndLsn ?? zeroLsn);
  for (let turn = 0; turn < 5; turn++) {
    await postgres.sql("insert into elsewhere values ('x')");
    await delay(60);
  }
  expect(await confirmedLsn()).toBe(first?.commitEndLsn);
  const end = await currentLsn();
  stream.acknowledge(second?.commitEndLsn ?? zeroLsn);
  await expect.poll(async () => (await confirmedLsn()) >= end, { timeout: 5_000 }).toBe(true);
});

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
  stream.acknowledge(last.commitEndLsn);
  await expect.poll(async () => (await confirmedLsn()) >= last.commitEndLsn).toBe(true);
}, 30_000);

/** Reads on and checks that the numbers of the loop have no gap. */
async function readUntilLast(stream: TransactionStream, lastType: string): Promise<CapturedTransaction> {
  let before: number | undefined;
  for await (const transaction of stream) {
    const type = transaction.rows[0]?.values["type"] ?? "";
    if (before !== undefined) expect(Number(type)).toBe(before + 1);
    before = Number(type);
    if (type === lastType) return transaction;
  }
  throw new Error("The stream ended early.");
}

test("a transaction larger than the buffer is handed over whole", async () => {
  await using stream = await openTransactionStream(source, { maxBufferedBytes: 100_000 });
  await writeInLoop(50, 4_000);
  await postgres.sql(`insert into quartet.outbox (aggregatetype, aggregateid, type, payload)
    select 'order', 'big', n, '{}' from generate_series(1, 200000) as n`);
  await writeInLoop(50, 4_000);
  const captured = await take(stream, 101);
  expect(captured.map(({ rows }) => rows.length).sort((a, b) => b - a)[0]).toBe(200_000);
}, 60_000);

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
  const [first] = await take(stream, 1);
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
