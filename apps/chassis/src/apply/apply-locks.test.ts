import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import {
  openTestServer,
  type TestDatabase,
  type TestServer,
  testPassword,
} from "../cluster/postgres/test-database.ts";
import { quoteLiteral } from "../schema/identifier.ts";
import { type ApplyOptions, applySchema, planDatabases } from "./apply-schema.ts";
import type { StepReport } from "./step.ts";
import { lonelyDomain } from "./test-domain.ts";

let server: TestServer;
let database: TestDatabase;
let other: Client;

beforeAll(async () => {
  server = await openTestServer();
});
beforeEach(async () => {
  database = await server.openDatabase();
  await apply(lonelyDomain({}));
  other = await database.connect();
  await other.query("set application_name = 'report of the month'");
});
afterAll(() => server[Symbol.asyncDispose]());

function apply(domain: ReturnType<typeof lonelyDomain>, options: ApplyOptions = {}) {
  return applySchema(domain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() }, options);
}

const later = lonelyDomain({ a: "string" });

async function applyWaits(): Promise<boolean> {
  const found = await pollUntil(
    async () =>
      (
        await database.query(
          `select from pg_stat_activity
where application_name = 'quartet apply' and wait_event_type = 'Lock' and datname = current_database()`,
        )
      ).length > 0
        ? true
        : undefined,
    { timeoutMs: 5_000, intervalMs: 5 },
  );
  return found === true;
}

test("gives up when its patience is over, and names who is in the way", async () => {
  await other.query("begin");
  await other.query("select from lonely.things");
  await expect(apply(later, { lockWaitMs: 1_500 })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(
      /column a of lonely.things: .* In the way: pid \d+ \(report of the month, idle in transaction, in its transaction for \d+\.\d s\): select from lonely.things/,
    ),
    fix: expect.stringContaining("--lock-wait"),
  });
  await other.query("commit");
  await apply(later);
});

test("writes go on while apply waits behind a reader, attempt after attempt", async () => {
  await other.query("begin");
  await other.query("select from lonely.things");
  const reports: StepReport[] = [];
  const applying = apply(later, { onStepDone: (_, { locks }, report) => locks && reports.push(report) });
  expect(await applyWaits()).toBe(true);
  const writer = await database.connect();
  // Longer than apply may hold anybody up at a time, shorter than the reader stays.
  await writer.query("set lock_timeout = '300ms'");
  for (let count = 0; count < 100; count++) {
    await writer.query("insert into lonely.things (pb) values (jsonb_build_object('id', $1::text))", [count]);
    await delay(5);
  }
  await other.query("commit");
  await applying;
  expect(reports[0]?.attempts).toBeGreaterThan(1);
});

test("waits behind a vacuum without holding up readers or writers at all", async () => {
  await other.query("begin");
  await other.query("lock table lonely.things in share update exclusive mode"); // what vacuum takes
  const applying = apply(later);
  expect(await applyWaits()).toBe(true);
  const writer = await database.connect();
  await writer.query("set lock_timeout = '1ms'");
  for (let count = 0; count < 50; count++) {
    await writer.query("insert into lonely.things (pb) values (jsonb_build_object('id', $1::text))", [count]);
    await delay(2);
  }
  await other.query("commit");
  await applying;
});

test("an autovacuum that works on the table gives way", async () => {
  await database.query(
    "insert into lonely.things (pb) select jsonb_build_object('id', n::text) from generate_series(1, 20000) n",
  );
  await database.query("delete from lonely.things where id < '5'");
  await database.query(`alter table lonely.things set (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)`);
  await database.query("alter system set autovacuum_naptime = '1s'");
  await database.query("select pg_reload_conf()");
  const vacuums = async () =>
    (await database.query("select from pg_stat_progress_vacuum where relid = 'lonely.things'::regclass"))[0];
  expect(await pollUntil(vacuums, { timeoutMs: 30_000, intervalMs: 50 })).toBeDefined();
  await apply(later, { lockWaitMs: 20_000 });
});

test("of an index that cannot be unique names the value, and leaves no invalid index", async () => {
  await apply(later);
  await database.query(
    `insert into lonely.things (pb) values ('{"id": "1", "a": "x"}'), ('{"id": "2", "a": "x"}')`,
  );
  await expect(apply(lonelyDomain({ a: "string" }, [{ field: ["a"], unique: true }]))).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("=(x) is duplicated"),
  });
  const left = await database.query("select from pg_index where not indisvalid");
  expect(left).toEqual([]);
});

test("an index that another session made invalid is built again", async () => {
  const indexed = lonelyDomain({ a: "string" }, [{ field: ["a"] }]);
  await apply(indexed);
  await database.query(
    "update pg_index set indisvalid = false where indexrelid = 'lonely.things_a_idx'::regclass",
  );
  const [plan] = await apply(indexed);
  expect(plan?.steps.map(({ what }) => what)).toEqual([
    "removal of things_a_idx of lonely.things, whose build did not end",
    "index things_a_idx of lonely.things",
  ]);
  expect(await database.query("select from pg_index where not indisvalid")).toEqual([]);
});

test("an index whose build waits too long for an old transaction leaves nothing, and says who it was", async () => {
  await apply(later);
  await other.query("begin");
  await other.query(`insert into lonely.things (pb) values ('{"id": "old"}')`);
  const indexed = lonelyDomain({ a: "string" }, [{ field: ["a"] }]);
  await expect(apply(indexed, { indexWaitMs: 300 })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/index things_a_idx .* older. In the way: pid \d+ \(report of the month/),
    fix: expect.stringContaining("--index-wait"),
  });
  await other.query("commit");
  await apply(indexed);
  const built = await database.query(
    "select indisvalid from pg_index where indexrelid = 'lonely.things_a_idx'::regclass",
  );
  expect(built).toEqual([{ indisvalid: true }]);
});

test("an owner that is no superuser applies, and has nothing to do the second time", async () => {
  await database.query(`create role owner login createrole password ${quoteLiteral(testPassword)}`);
  await database.query("create database owned owner owner");
  const url = new URL(database.url("owner"));
  url.pathname = "/owned";
  const target = { databaseUrl: url.href, eventsDatabaseUrl: url.href };
  expect((await applySchema(later, target))[0]?.steps.length).toBeGreaterThan(10);
  const [plan] = await planDatabases(later, target);
  expect([plan?.steps, plan?.drift]).toEqual([[], []]);
});
