import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../../cluster/postgres/test-database.ts";
import { applySchema, planDatabases } from "../apply-schema.ts";
import { ruledDomain } from "../test-domain.ts";
import { snapshotCatalog } from "../test-snapshot.ts";
import type { Drift } from "./drift.ts";

let server: TestServer;
/** The database that tests alter copies of. */
let appliedName: string;

beforeAll(async () => {
  server = await openTestServer();
  const database = await server.openDatabase();
  await applySchema(domain, targetOf(database));
  await database.query(
    `insert into ruled.things (pb) select jsonb_build_object('tenant', 't', 'id', n::text, 'note', n::text)
from generate_series(1, 3) n`,
  );
  await database[Symbol.asyncDispose]();
  appliedName = database.name;
});
afterAll(() => server[Symbol.asyncDispose]());

const domain = ruledDomain("later");
const targetOf = (database: TestDatabase) => ({
  databaseUrl: database.url(),
  eventsDatabaseUrl: database.url(),
});

async function driftOf(database: TestDatabase): Promise<readonly Drift[]> {
  return (await planDatabases(domain, targetOf(database))).flatMap(({ drift }) => drift);
}

/** What is done by hand, and what is said of it. */
const alterations: Readonly<Record<string, readonly [string, RegExp]>> = {
  "a column with another expression": [
    "alter table ruled.things alter column amount set expression as (7::bigint)",
    /column amount of ruled.things is bigint virtual as/,
  ],
  "a column of another type": [
    `drop view ruled.things_view; alter table ruled.things drop column amount;
alter table ruled.things add column amount text generated always as (pb ->> 'amount') virtual`,
    /column amount of ruled.things is text virtual .* not bigint virtual/,
  ],
  "a column that is stored": [
    `drop view ruled.things_view; alter table ruled.things drop column note;
alter table ruled.things add column note text generated always as (coalesce((pb ->> 'note'), '')) stored`,
    /column note of ruled.things is text stored/,
  ],
  "a column that is written, and has a field's name": [
    "drop view ruled.things_view; alter table ruled.things drop column note, add column note text not null default ''",
    /column note of ruled.things is text not null default ''::text, not text virtual/,
  ],
  "a column that no message knows": [
    "alter table ruled.things add column remark text",
    /column remark of ruled.things \(text\) is not of the protos/,
  ],
  "pb that may be null": [
    "alter table ruled.things alter column pb drop not null",
    /column pb of ruled.things may be null/,
  ],
  "a version that may be null, of another type, without default": [
    `drop view ruled.things_view; alter table ruled.things alter column version drop not null,
alter column version drop default, alter column version type integer;
set session_replication_role = replica; update ruled.things set version = null where id = '1'; reset session_replication_role`,
    /column version of ruled.things is integer, not bigint/,
  ],
  "a version that is missing": [
    "drop view ruled.things_view; alter table ruled.things drop column version",
    /column version of ruled.things is missing/,
  ],
  "another primary key": [
    "alter table ruled.things drop constraint things_pkey, add primary key (id)",
    /the primary key is \(id\); the protos say primary key \("tenant", "id"\)/,
  ],
  "no primary key": [
    "alter table ruled.things drop constraint things_pkey",
    /the primary key is \(\); the protos say/,
  ],
  "a key column that is missing": [
    "drop view ruled.things_view; alter table ruled.things drop column tenant",
    /key column tenant is missing/,
  ],
  "a key column with another expression": [
    "alter table ruled.things alter column id set expression as (pb ->> 'id')",
    /key column id is text stored/,
  ],
  "an index that is another": [
    "drop index ruled.things_amount_idx; create index things_amount_idx on ruled.things (id)",
    /index things_amount_idx of ruled.things is on something else/,
  ],
  "an index that is no longer unique": [
    `drop index ruled.things_tenant_note_key;
create index things_tenant_note_key on ruled.things (tenant, (coalesce((pb ->> 'note'), '')))`,
    /index things_tenant_note_key of ruled.things is on something else/,
  ],
  "an index whose name is a constraint's": [
    `drop index ruled.things_amount_idx;
alter table ruled.things add constraint things_amount_idx unique (id, tenant)`,
    /index things_amount_idx of ruled.things is on something else/,
  ],
  "an index whose name is another table's": [
    "drop index ruled.things_amount_idx; create table ruled.things_amount_idx ()",
    /index things_amount_idx of ruled.things is missing, and something else has its name/,
  ],
  "a view that is another": [
    "create or replace view ruled.things_view as select * from ruled.things_view_before",
    /view ruled.things_view was changed/,
  ],
  "a view with fewer columns": [
    "drop view ruled.things_view; create view ruled.things_view as select id from ruled.things",
    /view ruled.things_view was changed/,
  ],
  "a view with another column": [
    `drop view ruled.things_view; create view ruled.things_view as select id, 1 as one from ruled.things`,
    /view ruled.things_view was changed/,
  ],
  "a view that is a table": [
    "drop view ruled.things_view; create table ruled.things_view (id text)",
    /ruled.things_view is no view/,
  ],
  "a function that is another": [
    `create or replace function ruled.things_history_change() returns trigger language plpgsql
as 'begin return null; end'`,
    /function "ruled"."things_history_change"\(\) was changed/,
  ],
  "a trigger that is disabled": [
    "alter table ruled.things disable trigger quartet_history",
    /trigger "quartet_history" on "ruled"."things" was changed or disabled/,
  ],
  "a trigger that is another": [
    `create or replace trigger quartet_publish after insert on ruled.things
for each row execute function ruled.things_publish_change()`,
    /trigger "quartet_publish" on "ruled"."things" was changed/,
  ],
  "row level security": [
    "alter table ruled.things enable row level security, force row level security",
    /ruled.things has row level security/,
  ],
  "row level security on the outbox": [
    "alter table quartet.outbox enable row level security",
    /quartet.outbox has row level security/,
  ],
  "a publication of other operations": [
    "alter publication quartet_outbox set (publish = 'insert, update', publish_via_partition_root = false)",
    /publication quartet_outbox carries insert, update of quartet.outbox, by partition/,
  ],
  "a publication of other tables": [
    `alter publication quartet_outbox set table quartet.outbox where (type <> 'x'), ruled.things`,
    /publication quartet_outbox carries insert of quartet.outbox where .*, ruled.things/,
  ],
  "a publication of all": [
    "drop publication quartet_outbox; create publication quartet_outbox for all tables",
    /publication quartet_outbox carries all tables/,
  ],
  "a table without pb": [
    "drop table ruled.things cascade; create table ruled.things (a int)",
    /ruled.things is no pbtable/,
  ],
};

for (const [title, [alteration, said]] of Object.entries(alterations)) {
  test(`${title} is reported, and its SQL mends it`, async () => {
    await using database = await server.openDatabase(appliedName);
    const whole = await snapshotCatalog(database);
    if (alteration.includes("things_view_before")) await keepColumns(database);
    await database.query(alteration);
    const found = await driftOf(database);
    expect(found.map(({ what }) => what)).toEqual([expect.stringMatching(said)]);
    const client = await database.connect();
    for (const sql of found.flatMap(({ mend }) => mend)) await client.query(sql);
    expect(await driftOf(database)).toEqual([]);
    expect((await applySchema(domain, targetOf(database))).flatMap(({ drift }) => drift)).toEqual([]);
    const again = await planDatabases(domain, targetOf(database));
    expect(again.flatMap(({ steps }) => steps)).toEqual([]);
    const mended = await snapshotCatalog(database);
    // A column that was made anew is the last one; what was set aside is still there.
    if (!/set_aside|things_view_before/.test(mended)) expect(sortLines(mended)).toEqual(sortLines(whole));
  });
}

/** A relation with the columns of the view, for a view of the same columns that reads something else. */
async function keepColumns(database: TestDatabase): Promise<void> {
  await database.query("create table ruled.things_view_before as select * from ruled.things_view limit 0");
}

function sortLines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/,$/, ""))
    .sort();
}

test("what apply itself makes is no drift, whatever the settings of its session", async () => {
  const database = await server.openDatabase(appliedName);
  await database.query(`alter database ${database.name} set search_path = ruled, quartet, public`);
  await database.query(`alter database ${database.name} set timezone = 'Asia/Tokyo'`);
  await database.query(`alter database ${database.name} set intervalstyle = 'iso_8601'`);
  await database.query(`alter database ${database.name} set quote_all_identifiers = on`);
  expect(await driftOf(database)).toEqual([]);
});

test("columns of a former build, other indexes and other tables are no drift", async () => {
  const database = await server.openDatabase(appliedName);
  await database.query("create index my_index on ruled.things (version)");
  await database.query("create table ruled.mine (a int)");
  const former = await planDatabases(ruledDomain("first"), targetOf(database));
  expect(former.flatMap(({ drift }) => drift)).toEqual([]);
});

test("an apply leaves what somebody altered as it is, and reports it", async () => {
  const database = await server.openDatabase(appliedName);
  await database.query("alter table ruled.things disable trigger quartet_history");
  const before = await snapshotCatalog(database);
  const applied = await applySchema(domain, targetOf(database));
  expect(applied.flatMap(({ drift }) => drift)).toHaveLength(1);
  expect(await snapshotCatalog(database)).toBe(before);
});
