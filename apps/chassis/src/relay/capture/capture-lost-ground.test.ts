import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { openThrowawayPostgres, type ThrowawayPostgres } from "../replication/throwaway-postgres.ts";
import { repairReasons } from "./repair-reason.ts";
import type { OutboxSource } from "./run-capture.ts";
import {
  applyTestSchema,
  expectWhole,
  openWriter,
  publish,
  publishLarge,
  startCapture,
} from "./test-capture.ts";

/** The outbox is on a server that is stopped, filled and restored; the log is elsewhere. */
let postgres: ThrowawayPostgres;
let logServer: TestServer;
let log: TestDatabase;
let source: OutboxSource;
let url: string;
let number = 0;

beforeAll(async () => {
  [postgres, logServer] = await Promise.all([openThrowawayPostgres(), openTestServer()]);
  url = postgres.url();
  await applyTestSchema(url);
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await logServer[Symbol.asyncDispose]();
});

beforeEach(async () => {
  log = await logServer.openDatabase();
  await applyTestSchema(log.url());
  await postgres.sql("truncate quartet.outbox");
  source = { name: "main", url, slot: `quartet_test_${++number}` };
});
afterEach(async () => {
  expect(await postgres.sql("select slot_name from pg_replication_slots where active")).toEqual([]);
  await postgres.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
});

/** Captures until all is in the log. */
async function captureAll(epoch: bigint): Promise<string[]> {
  await using capture = startCapture(source, log.pool, epoch);
  await capture.streaming;
  await expectWhole(url, log.pool);
  return capture.repairs.map(({ reason }) => reason);
}

test("a slot that the server has invalidated is made anew, and nothing is lost", async () => {
  await publish(url, 5);
  await captureAll(1n);
  await publish(url, 20);
  await postgres.sql("alter system set max_slot_wal_keep_size = '16MB'");
  await postgres.sql("select pg_reload_conf()");
  try {
    for (let segment = 0; segment < 8; segment++) {
      await postgres.sql("select pg_logical_emit_message(false, 'filler', 'x')");
      await postgres.sql("select pg_switch_wal()");
    }
    await postgres.sql("checkpoint");
    await publish(url, 20);
    expect(await captureAll(2n)).toEqual([expect.stringContaining(repairReasons.slotInvalidated)]);
  } finally {
    await postgres.sql("alter system reset max_slot_wal_keep_size");
    await postgres.sql("select pg_reload_conf()");
  }
});

test("a database that was restored to an older state, and written to since, is captured whole", async () => {
  await publish(url, 10);
  await captureAll(1n);
  await postgres.stop();
  await postgres.backUp();
  await postgres.start();
  await publish(url, 200, 10);
  await captureAll(2n);
  await postgres.stop();
  await postgres.restore();
  await postgres.start();
  await publish(url, 500, 10); // in the WAL where the log has others
  const before = await logged();
  expect(await captureAll(3n)).toEqual([repairReasons.outboxRestored]);
  expect(await logged()).toBe(before + 500);
  await publish(url, 5);
  expect(await captureAll(4n)).toEqual([]);
});

test("a restored database that has the last captured event again, published anew, is captured whole", async () => {
  await publish(url, 10);
  await captureAll(1n);
  await postgres.stop();
  await postgres.backUp();
  await postgres.start();
  const last = (await publish(url, 200, 10)).at(-1);
  await captureAll(2n);
  await postgres.stop();
  await postgres.restore();
  await postgres.start();
  await publish(url, 5);
  await postgres.sql(
    "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values ($1, 'test', 'a', 'test.v1.Happened', '{}')",
    [last],
  );
  await publish(url, 500, 10); // in the WAL where the log has others
  const before = await logged();
  expect(await captureAll(3n)).toEqual([]);
  expect(await logged()).toBe(before + 505);
});

test("a database that was restored and not written to since is found by the end of its WAL", async () => {
  await publish(url, 10);
  await captureAll(1n);
  await postgres.stop();
  await postgres.backUp();
  await postgres.start();
  await publishLarge(url, 20_000);
  await captureAll(2n);
  await postgres.stop();
  await postgres.restore();
  await postgres.start();
  expect(await captureAll(3n)).toEqual([repairReasons.rewound]);
  await publish(url, 50);
  expect(await captureAll(4n)).toEqual([]);
});

test("events that were written while the publication was missing are repaired", async () => {
  await publish(url, 3);
  await using capture = startCapture(source, log.pool, 1n);
  await expectWhole(url, log.pool);
  await postgres.sql("drop publication quartet_outbox");
  await publish(url, 10);
  await applyTestSchema(url);
  await publish(url, 3);
  await expectWhole(url, log.pool);
  expect(capture.repairs.map(({ reason }) => reason)).toContain(repairReasons.publicationMissing);
});

test("a server shuts down in order under a capture, which goes on when it is back", async () => {
  await using capture = startCapture(source, log.pool, 1n);
  await capture.streaming;
  await publish(url, 20);
  await postgres.stop();
  await postgres.start();
  await publish(url, 20);
  await expectWhole(url, log.pool);
});

test("an event whose commit waits for a standby while the slot is made is not lost", async () => {
  await postgres.sql("alter system set synchronous_standby_names = 'nobody'");
  await postgres.sql("alter system set synchronous_commit = 'local'");
  await postgres.sql("select pg_reload_conf()");
  const older = await openWriter(url);
  const younger = await openWriter(url);
  await using writer = await openWriter(url);
  await older.begin();
  await using _capture = startCapture(source, log.pool, 1n);
  await untilWaiting("pg_create_logical_replication_slot");
  // The slot's making waits for the transactions it finds, one after the other; a third commits after it was looked for.
  await younger.begin();
  await older[Symbol.asyncDispose]();
  await postgres.sql("select pg_sleep(0.3)");
  const committing = writer.publishSynchronously();
  await untilWaiting("/* synchronous */", "SyncRep");
  await younger[Symbol.asyncDispose]();
  await untilMade();
  await postgres.sql("select pg_sleep(0.3)");
  await postgres.sql("alter system reset synchronous_standby_names");
  await postgres.sql("select pg_reload_conf()");
  await committing;
  await expectWhole(url, log.pool);
  await postgres.sql("alter system reset synchronous_commit");
  await postgres.sql("select pg_reload_conf()");
});

async function logged(): Promise<number> {
  const [row] = await log.query<{ count: number }>("select count(*)::int from quartet.event_log");
  return row?.count ?? 0;
}

async function untilWaiting(query: string, event?: string): Promise<void> {
  const waiting = () =>
    postgres.sql(
      `select from pg_stat_activity where query like '%' || $1 || '%' and pid <> pg_backend_pid() and state = 'active'
       and wait_event is not null and ($2::text is null or wait_event = $2)`,
      [query, event],
    );
  await expect.poll(async () => (await waiting()).length, { timeout: 10_000 }).toBeGreaterThan(0);
}

async function untilMade(): Promise<void> {
  const made = () =>
    postgres.sql(
      "select from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn is not null",
      [source.slot],
    );
  await expect.poll(async () => (await made()).length, { timeout: 10_000 }).toBe(1);
}
