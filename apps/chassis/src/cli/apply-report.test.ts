import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { applySchema, planDatabases } from "../apply/apply-schema.ts";
import { formatStepSql } from "../apply/step.ts";
import { lonelyDomain } from "../apply/test-domain.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { createApplyReport, formatPlan } from "./apply-report.ts";

let server: TestServer;
let database: TestDatabase;
let lines: string[];

beforeAll(async () => {
  server = await openTestServer();
});
beforeEach(async () => {
  database = await server.openDatabase();
  lines = [];
  await applySchema(lonelyDomain({}), target());
});
afterAll(() => server[Symbol.asyncDispose]());

const target = () => ({ databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
const later = lonelyDomain({ a: "string" }, [{ field: ["a"] }]);

async function apply(json: boolean): Promise<void> {
  const report = createApplyReport(json, (line) => lines.push(line));
  report.finish(await applySchema(later, target(), report), false);
}

test("a plan as text says of each step its lock, its time and the SQL that psql would run", async () => {
  const text = formatPlan(await planDatabases(later, target()), false).join("\n");
  expect(text).toContain(`-- main: column a of lonely.things
--   lock: ACCESS EXCLUSIVE on "lonely"."things": holds up who reads or writes it
--   takes: milliseconds: catalog only, nothing is rewritten
begin;
set local lock_timeout = '10000ms';
lock table "lonely"."things" in share update exclusive mode;
set local lock_timeout = '50ms';
lock table "lonely"."things" in access exclusive mode;
alter table "lonely"."things"
  add column if not exists "a" text generated always as (coalesce((pb ->> 'a'), '')) virtual;
commit;`);
  expect(text).toMatch(
    /-- main: index things_a_idx .*\n-- {3}lock: SHARE UPDATE EXCLUSIVE .*reads and writes go on/,
  );
});

test("a plan that is run by hand leaves apply nothing to do", async () => {
  const client = await database.connect();
  const [plan] = await planDatabases(later, target());
  for (const step of plan?.steps ?? []) await client.query(formatStepSql(step));
  const [again] = await planDatabases(later, target());
  expect([again?.steps, again?.drift]).toEqual([[], []]);
});

test("each step is a line with what it took, and the end counts them", async () => {
  await apply(false);
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^main {3}column a of lonely\.things {2}\d+\.\d ms, lock held \d+\.\d ms$/),
      expect.stringMatching(/^main {3}index things_a_idx of lonely\.things {2}\d+\.\d ms$/),
    ]),
  );
  expect(lines.at(-1)).toMatch(/^applied \d+ steps$/);
  lines = [];
  await apply(false);
  expect(lines).toEqual(["nothing to do: the databases are as the protos say"]);
});

test("as JSON each line is an object, and the last one sums up, with what was altered by hand", async () => {
  await database.query("alter table lonely.things alter column pb drop not null");
  await apply(true);
  const parsed = lines.map((line) => JSON.parse(line));
  expect(
    parsed.slice(0, -1).every(({ type, sql, lock }) => type === "step" && sql !== "" && lock !== ""),
  ).toBe(true);
  expect(parsed.at(-1)).toMatchObject({
    type: "summary",
    planned: false,
    steps: parsed.length - 1,
    databases: [
      { database: "main", schema: "newer", drift: [{ what: "column pb of lonely.things may be null" }] },
    ],
  });
});

test("what was altered by hand is told with the SQL that mends it", async () => {
  await apply(false);
  await database.query("alter table lonely.things alter column pb drop not null");
  lines = [];
  await apply(false);
  expect(lines).toEqual([
    "",
    "-- main: altered by hand: column pb of lonely.things may be null",
    expect.stringMatching(/^-- {3}reads every row/),
    'alter table "lonely"."things" alter column pb set not null;',
    "",
    "applied 0 steps; what was altered by hand is as it was",
  ]);
});

test("what was altered by hand stays in its comment, whatever texts are in it", async () => {
  await database.query(
    "alter table lonely.things add column x text default E'\\r\\ndrop table lonely.things;'",
  );
  await apply(false);
  const script = lines.filter((line) => line.includes("drop table"));
  expect(script).toEqual([
    expect.stringMatching(/^-- main: .* drop table lonely\.things;'::text\) is not of the protos$/),
  ]);
});

test("a build that the database went beyond has nothing to do, and says so", async () => {
  const report = createApplyReport(false, (line) => lines.push(line));
  report.finish(await applySchema(later, target(), { ...report, judge: async () => "older" }), false);
  expect(lines).toEqual(["main   the database has a newer schema already: nothing to do"]);
});
