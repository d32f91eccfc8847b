import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { toLsn } from "../replication/lsn.ts";
import { openPostgresLog } from "./postgres-log.ts";
import { openAppliedDatabase } from "./test-log-database.ts";
import { idsOf, readFrom, type TestSource, takeTestSource } from "./test-source.ts";

let server: TestServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  database = await openAppliedDatabase(server);
});

test("a log that lost its end in a failover gives its process what came in its place, not what is lost", async () => {
  await using log = openPostgresLog({ pool: database.pool, pollMs: 3_600_000 });
  const source = await takeTestSource(log);
  await source.append(source.events(5));
  await keepState();
  await source.append(source.events(10));
  await loseWhatFollowed();
  await source.take();
  const events = source.events(12);
  await source.append(events);
  expect(idsOf(await readFrom(log, 5n))).toEqual(idsOf(events));
});

test("a log whose epoch has grown gives other processes what came in place of what they knew", async () => {
  await using log = openPostgresLog({ pool: database.pool });
  await using other = openPostgresLog({ pool: database.openPool(), pollMs: 50 });
  let told = false;
  other.onAppend(() => {
    told = true;
  });
  await other.readHead(); // from here on it follows
  const source = await takeTestSource(log);
  await source.append(source.events(5));
  await keepState();
  const lost = source.events(10);
  await source.append(lost);
  await expect.poll(async () => told && idsOf(await readFrom(other, 5n))).toEqual(idsOf(lost));
  const hold = await database.connect();
  await hold.query("begin; lock table quartet.relay_process in access exclusive mode"); // its looks wait
  await loseWhatFollowed();
  await source.take();
  await log.beginRepair(source.fence, "a promotion", true);
  const events = source.events(20);
  await log.appendMissing(source.fence, events);
  await hold.query("commit");
  await expect.poll(async () => idsOf(await readFrom(other, 5n)), { timeout: 5_000 }).toEqual(idsOf(events));
});

test("the end of a repair that comes late, after the repair was done again, changes nothing", async () => {
  await using log = openPostgresLog({ pool: database.pool });
  const source = await takeTestSource(log);
  await source.append(source.events(1));
  await using first = openPostgresLog({ pool: database.openPool() });
  await first.takeSource(source.fence);
  await first.beginRepair(source.fence, "a reason", false);
  await first.appendMissing(source.fence, source.events(2));
  // The same holder has lost its connection before the end of the repair was carried out, and repairs again.
  await source.take();
  await log.beginRepair(source.fence, "a reason", false);
  await log.appendMissing(source.fence, source.events(1));
  await log.endRepair(source.fence, endAt(source, 1_000n));
  await source.append(source.events(1));
  const before = await database.query("select * from quartet.event_log_capture");
  await expect(first.endRepair(source.fence, endAt(source, 500n))).rejects.toMatchObject({ code: "aborted" });
  expect(await database.query("select * from quartet.event_log_capture")).toEqual(before);
});

test("delayed events that are never due tell a time to look again nevertheless", async () => {
  await using log = openPostgresLog({ pool: database.pool });
  const source = await takeTestSource(log);
  await source.append([source.event({ deliverAfter: new Date(8.64e15) })]);
  await database.query("update quartet.event_log_delayed set due_at = 'infinity'");
  const { nextDue } = await log.releaseDue(10);
  expect(nextDue?.getTime()).toBeGreaterThan(Date.now());
});

function endAt(source: TestSource, lsn: bigint) {
  const identity = { systemId: "1", timeline: 1 };
  return { identity, confirmed: toLsn(lsn), repairedTo: source.lsn(1n), count: 0 };
}

/** What a failover to a standby that lags, or a restored backup, brings back. */
async function keepState(): Promise<void> {
  await database.query("create table kept_capture as table quartet.event_log_capture");
  await database.query("create table kept_head as table quartet.event_log_head");
}

async function loseWhatFollowed(): Promise<void> {
  await database.query(`with head as (update quartet.event_log_head h set seq = k.seq from kept_head k returning h.seq)
    delete from quartet.event_log using head where event_log.seq > head.seq`);
  await database.query("delete from quartet.event_log_capture");
  await database.query("insert into quartet.event_log_capture table kept_capture");
}
