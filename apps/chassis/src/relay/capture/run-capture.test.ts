import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestLogin } from "../../apply/test-domain.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { createEventId } from "../../outbox/event-id.ts";
import { parsePosition, parseWalLocation } from "../../position/position.ts";
import type { CaptureStopPoints } from "./capture-stop-points.ts";
import { repairReasons } from "./repair-reason.ts";
import type { OutboxSource } from "./run-capture.ts";
import {
  applyTestSchema,
  dropSlot,
  expectWhole,
  publish,
  publishLarge,
  runSql,
  startCapture,
  type TestCapture,
} from "./test-capture.ts";

let server: TestServer;
let database: TestDatabase;
let source: OutboxSource;
let url: string;
let number = 0;
let applied: string;

beforeAll(async () => {
  server = await openTestServer();
  const first = await server.openDatabase();
  await applyTestSchema(first.url());
  await first[Symbol.asyncDispose]();
  applied = first.name;
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  database = await server.openDatabase(applied);
  url = database.url();
  source = { name: "main", url, slot: `quartet_test_${++number}` };
});
// A server has few of them.
afterEach(() => dropSlot(database, source.slot));

test("what was published before the slot existed is repaired from the table", async () => {
  await publish(url, 30);
  await using capture = startCapture(source, database.pool, 1n);
  await expectWhole(url, database.pool);
  await publish(url, 5);
  await expectWhole(url, database.pool);
  expect(capture.repairs).toEqual([{ reason: repairReasons.neverCaptured, count: 30 }]);
});

test("a slot that is dropped while nobody captures loses nothing", async () => {
  await using first = startCapture(source, database.pool, 1n);
  await publish(url, 3);
  await expectWhole(url, database.pool);
  await first.stop();
  await publish(url, 40);
  await dropSlot(database, source.slot);
  await publish(url, 2);
  await using second = startCapture(source, database.pool, 2n);
  await second.streaming; // the log is whole a moment before the repair is told
  await expectWhole(url, database.pool);
  expect(second.repairs).toEqual([{ reason: repairReasons.slotMissing, count: 42 }]);
});

test("a slot that is dropped between two connections of a running relay loses nothing", async () => {
  await using capture = startCapture(source, database.pool, 1n);
  await publish(url, 3);
  await expectWhole(url, database.pool);
  await dropWhileReading(source);
  await publish(url, 10);
  await expectWhole(url, database.pool);
  await expect.poll(() => capture.repairs.map(({ reason }) => reason)).toContain(repairReasons.slotMissing);
});

test("events keep commit order through crashes of the connection, each in the log once", async () => {
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  for (let round = 0; round < 6; round++) {
    await publish(url, 10, 2);
    const end = () =>
      database.query(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active",
        [source.slot],
      );
    await expect.poll(async () => (await end()).length).toBe(1);
  }
  await expectWhole(url, database.pool);
  const order = await database.query<{ same: boolean }>(
    `select array_agg(o.id order by o.place) = array_agg(o.id order by l.seq) as same
     from quartet.outbox o join quartet.event_log l on l.event_id = o.id`,
  );
  expect(order).toEqual([{ same: true }]);
});

test("a relay that was held up between receiving and appending appends nothing once another has taken over", async () => {
  const received = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const hold = async () => {
    received.resolve();
    await goOn.promise;
  };
  await using stale = startCapture(source, database.pool, 1n, { stopPoints: { received: hold } });
  await stale.streaming;
  await publish(url, 20);
  await received.promise;
  await using _next = startCapture(source, database.pool, 2n); // the first one still reads the slot
  await expectWhole(url, database.pool);
  const before = await database.query("select * from quartet.event_log_capture");
  goOn.resolve();
  await expect.poll(() => stale.messages.join("")).toContain("another relay has taken main");
  expect(await database.query("select * from quartet.event_log_capture")).toEqual(before);
  await publish(url, 5);
  await expectWhole(url, database.pool);
});

test.each(["slotMade", "pageRepaired", "tableRepaired"] as const)(
  "a repair that dies at %s is done again from the beginning",
  async (point) => {
    await publish(url, 1_200);
    await dieAt(point, 1n);
    await publish(url, 3);
    await using capture = startCapture(source, database.pool, 2n);
    await publish(url, 3);
    await capture.streaming;
    await expectWhole(url, database.pool);
    expect(capture.repairs.map(({ reason }) => reason)).toEqual([repairReasons.neverCaptured]);
  },
);

test.each(["received", "appended"] as const)(
  "a relay that dies at %s leaves each event once",
  async (point) => {
    const first = startCapture(source, database.pool, 1n);
    await first.streaming;
    await first.stop();
    await publish(url, 10);
    await dieAt(point, 2n);
    await using _second = startCapture(source, database.pool, 3n);
    await publish(url, 10);
    await expectWhole(url, database.pool);
  },
);

test("the relay's own login can do all of it", async () => {
  await createTestLogin(database, "quartet_relay", `relay_${number}`);
  const relay = { ...source, url: database.url(`relay_${number}`) };
  const pool = database.openPool(`relay_${number}`);
  const hold = Promise.withResolvers<void>();
  await publish(url, 10);
  await using first = startCapture(relay, pool, 1n, { stopPoints: { received: () => hold.promise } });
  await first.streaming;
  await publish(url, 10);
  await using second = startCapture(relay, pool, 2n); // ends the first one's reading
  await expectWhole(url, database.pool);
  hold.resolve();
  await first.stop();
  await second.stop();
  await dropSlot(database, source.slot);
  await using _third = startCapture(relay, pool, 3n);
  await publish(url, 10);
  await expectWhole(url, database.pool);
});

test("a log that was restored to an older state is repaired, and its epoch grows", async () => {
  await publish(url, 10);
  await captureAll(1n);
  await database.query("create table kept_capture as table quartet.event_log_capture");
  await database.query("create table kept_head as table quartet.event_log_head");
  await publish(url, 50);
  await captureAll(2n);
  await database.query(`with head as (update quartet.event_log_head h set seq = k.seq from kept_head k returning h.seq)
    delete from quartet.event_log using head where event_log.seq > head.seq`);
  await database.query("delete from quartet.event_log_capture");
  await database.query("insert into quartet.event_log_capture table kept_capture");
  await publish(url, 5);
  expect(await captureAll(3n)).toEqual([{ reason: repairReasons.logRestored, count: 55 }]);
  const epochs = await database.query(
    "select epoch, count(*)::int from quartet.event_log group by epoch order by 1",
  );
  expect(epochs).toEqual([
    { epoch: 1, count: 10 },
    { epoch: 2, count: 55 },
  ]);
  expect(await captureAll(4n)).toEqual([]);
});

test("an outbox that nobody writes to lets WAL go beside a busy table", async () => {
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  await database.query("create table busy as select repeat('x', 100) from generate_series(1, 10000)");
  const [written] = await database.query<{ lsn: string }>("select pg_current_wal_flush_lsn() as lsn");
  const passed = () =>
    database.query("select from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn >= $2", [
      source.slot,
      written?.lsn,
    ]);
  await expect.poll(async () => (await passed()).length, { timeout: 15_000 }).toBe(1);
  const ahead = await database.query(`select from pg_replication_slots s, quartet.event_log_capture c
    where s.slot_name = '${source.slot}' and s.confirmed_flush_lsn > c.confirmed_lsn`);
  expect(ahead).toEqual([]);
});

test("a delayed event is put aside, whether it comes by the WAL or by the table", async () => {
  const delayed = () =>
    database.query<{ at: string }>(
      "select to_char(due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') as at from quartet.event_log_delayed order by place",
    );
  await publishDelayed("2050-01-02 03:04:05.678+02");
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  expect(await delayed()).toEqual([{ at: "2050-01-02 01:04:05.678" }]);
  await publishDelayed("2051-01-02 03:04:05+00");
  await publish(url, 1);
  await expect.poll(countLogged).toBe(1);
  expect(await delayed()).toEqual([{ at: "2050-01-02 01:04:05.678" }, { at: "2051-01-02 03:04:05.000" }]);
});

test("events of the main database carry a position that is past their commit, of whichever way they came", async () => {
  await publish(url, 2);
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  await publish(url, 2);
  await publishLarge(url, 2_500);
  const before = await database.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
  await expectWhole(url, database.pool);
  const rows = await database.query<{ position: string }>("select distinct position from quartet.event_log");
  const lsns = rows.map(({ position }) => parsePosition(position).lsn);
  expect(rows).toHaveLength(4); // the table's, one each, the large transaction's
  expect(lsns.filter((lsn) => lsn > parseWalLocation(before[0]?.lsn ?? "") + 4096n)).toEqual([]);
});

test("a repair leaves alone what the log has dropped by retention, and brings what it never had", async () => {
  await publish(url, 12_000, 1_000);
  await captureAll(1n);
  await rotateLog();
  await publish(url, 12_000, 1_000);
  await captureAll(2n);
  await database.query("select quartet.drop_event_log_segment(interval '0', interval '0')");
  expect(await countLogged()).toBe(12_000);
  await publish(url, 30);
  await dropSlot(database, source.slot);
  await using capture = startCapture(source, database.pool, 3n);
  await capture.streaming;
  const [repair] = capture.repairs;
  // All that was missing, and some of what was dropped: what was published within 10,000 rows of the oldest that is kept.
  expect(repair?.count).toBe(30 + 10_000);
});

test("a repair of a log that keeps days brings nothing again that it has dropped", async () => {
  await publish(url, 500, 10);
  await captureAll(1n);
  await rotateLog();
  await publish(url, 40, 10);
  await captureAll(2n);
  await database.query("update quartet.event_log set committed_at = committed_at - interval '2 days'");
  await publish(url, 40, 10);
  await captureAll(3n);
  await database.query("select quartet.drop_event_log_segment(interval '0', interval '0')");
  await publish(url, 30);
  await dropSlot(database, source.slot);
  await using capture = startCapture(source, database.pool, 4n);
  await capture.streaming;
  expect(capture.repairs).toEqual([{ reason: repairReasons.slotMissing, count: 30 }]);
});

test.each([
  { holdsLog: true, grown: 1 },
  { holdsLog: false, grown: 0 },
])(
  "a failover of an outbox lets the log's epoch grow where it is in the same database: $holdsLog",
  async ({ holdsLog, grown }) => {
    source = { ...source, holdsLog };
    await publish(url, 3);
    await captureAll(1n);
    const epoch = async () =>
      (await database.query<{ epoch: number }>("select epoch from quartet.event_log_head"))[0]?.epoch ?? 0;
    const before = await epoch();
    await database.query("update quartet.event_log_capture set timeline = timeline + 1");
    expect(await captureAll(2n)).toEqual([{ reason: repairReasons.promotion, count: 0 }]);
    expect(await epoch()).toBe(before + grown);
  },
);

test("rows of other tables in the publication are no events, and hold nothing up", async () => {
  await database.query("create table other (id int)");
  await database.query("alter publication quartet_outbox add table other");
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  await database.query("insert into other values (1)");
  await publish(url, 3);
  await database.query("insert into other select generate_series(1, 2500)");
  await publish(url, 3);
  await expectWhole(url, database.pool);
  expect(await countLogged()).toBe(6);
});

test("what anybody inserts by hand, and a column that is added meanwhile, hold nothing up", async () => {
  await using capture = startCapture(source, database.pool, 1n);
  await capture.streaming;
  for (const deliverAfter of ["infinity", "-infinity", "12345-01-01", "0044-03-15 BC", "1000-01-01"])
    await publishDelayed(deliverAfter);
  await database.query(`insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload)
    values (gen_random_uuid(), '', '', '', 'null'), ('ffffffff-ffff-ffff-ffff-ffffffffffff', '', '', '', '"x"')`);
  await database.query("alter table quartet.outbox add column note text default 'x'");
  await database.query(`insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload, causationid, note)
    values (gen_random_uuid(), 'a', repeat('\u00fc', 255), 'b', '1', repeat('x', 100000), null)`);
  await publish(url, 1);
  await expect.poll(countLogged).toBe(7);
  expect(capture.repairs).toHaveLength(1);
  await capture.stop();
  await dropSlot(database, source.slot);
  await using second = startCapture(source, database.pool, 2n);
  await second.streaming;
  expect(second.repairs.map(({ count }) => count)).toEqual([0]);
  await publish(url, 1);
  await expect.poll(countLogged).toBe(8);
});

/** Captures until all is in the log, and tells what was repaired. */
async function captureAll(epoch: bigint): Promise<TestCapture["repairs"]> {
  await using capture = startCapture(source, database.pool, epoch);
  await capture.streaming;
  await expectWhole(url, database.pool);
  return capture.repairs;
}

/** Captures until a point is reached, and ends there as a process that dies does: nothing after it happens. */
async function dieAt(point: keyof CaptureStopPoints, epoch: bigint): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const die = () => {
    reached.resolve();
    return Promise.reject(new Error("dies here"));
  };
  const dying = startCapture(source, database.pool, epoch, { stopPoints: { [point]: die } });
  await reached.promise;
  await dying.stop();
}

async function publishDelayed(deliverAfter: string): Promise<void> {
  await database.query(
    `insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload, deliver_after)
     values ($1, 'test', 'a', 'test.v1.Happened', '{}', $2)`,
    [createEventId(), deliverAfter],
  );
}

async function rotateLog(): Promise<void> {
  await database.query("select quartet.rotate_event_log(1, interval '0')");
}

async function countLogged(): Promise<number> {
  const [row] = await database.query<{ count: number }>("select count(*)::int from quartet.event_log");
  return row?.count ?? 0;
}

/** Ends the reader and drops the slot before it comes back. */
async function dropWhileReading({ url, slot }: OutboxSource): Promise<void> {
  await runSql(
    url,
    `do $$ begin loop
  perform pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '${slot}';
  begin
    perform pg_drop_replication_slot('${slot}');
    return;
  exception when object_in_use then
    perform pg_sleep(0.002);
  end;
end loop; end $$`,
  );
}
