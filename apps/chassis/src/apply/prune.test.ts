import { createRegistry, type DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { historyObjects } from "../pbtable/history/history-ddl.ts";
import { startOfMonth } from "../pbtable/history/month.ts";
import { TableHistory } from "../pbtable/history/table-history.ts";
import {
  createKeptTables,
  keptRegistry,
  NoteSchema,
  PlainSchema,
  SeatSchema,
} from "../pbtable/history/test-history.ts";
import { tableOf } from "../schema/table/table.ts";
import { defineDomain } from "../service/domain.ts";
import { pruneHistory, readPrunePlan } from "./prune.ts";

/** Notes are kept for a day, so for the months of today and yesterday; seats for ever; plain rows have no history. */
const domain = defineDomain({
  name: "kept",
  schema: createRegistry(NoteSchema, SeatSchema, PlainSchema),
  services: [],
  writes: [],
});

let server: TestServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
});
beforeEach(async () => {
  database = await server.openDatabase();
});
afterAll(() => server[Symbol.asyncDispose]());

const now = new Date();
const thisMonth = startOfMonth(new Date(now.getTime() - 86_400_000));
const monthsAgo = (count: number) => startOfMonth(thisMonth, -count);
const nameOf = (month: Date) => month.toISOString().slice(0, 7).replace("-", "_");

const prune = () => pruneHistory(domain, database.url(), { lockWaitMs: 20_000 });

/** Tables whose history began so many months ago, with one change of the note `a` in each month, and today. */
async function createOldHistory(
  months: number,
  messages: readonly DescMessage[] = [NoteSchema],
): Promise<void> {
  await createKeptTables(database, messages, monthsAgo(months - 1)); // and the month before
  await createKeptTables(database, messages, now);
  for (let ago = months; ago > 0; ago--) await addChange(new Date(monthsAgo(ago).getTime() + 1_000), ago);
  await database.query(`insert into kept.notes (pb) values ('{"id": "a", "text": "now"}')`);
}

async function addChange(time: Date, ago: number): Promise<void> {
  await database.query(
    `insert into kept.notes_history (id, version, version_before, operation, changed_at, login, patch, undo)
values ('a', $1, $1, 'update', $2, 'x', '{"set": {}, "unset": []}', jsonb_build_object('set',
  jsonb_build_object('id', 'a', 'text', $3::text), 'unset', '[]'::jsonb))`,
    [100 - ago, time.toISOString(), `before ${ago} months ago`],
  );
}

async function monthsOf(table: string): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    "select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::regclass order by 1",
    [`${table}_history`],
  );
  return rows.map(({ name }) => name.slice(`${table}_history_`.length));
}

const history = () => new TableHistory(tableOf(NoteSchema), database.pool, keptRegistry);

test("drops the months that are wholly older than the retention, and no other", async () => {
  await createOldHistory(3);
  const before = await monthsOf("kept.notes");
  expect(await prune()).toBe(3);
  const dropped = [3, 2, 1].map((ago) => nameOf(monthsAgo(ago)));
  expect(await monthsOf("kept.notes")).toEqual(before.filter((name) => !dropped.includes(name)));
  expect((await history().changesOf("a")).map(({ operation }) => operation)).toEqual(["insert"]);
  expect(await prune()).toBe(0);
});

test("moves the horizon: what was before it is refused, what came after it is right", async () => {
  await createOldHistory(2);
  expect(await history().asOf("a", monthsAgo(2))).toMatchObject({ text: "before 2 months ago" });
  await prune();
  await expect(history().asOf("a", monthsAgo(2))).rejects.toMatchObject({
    code: "invalid_argument",
    message: expect.stringContaining(`is kept since ${thisMonth.toISOString().slice(0, 10)}`),
  });
  expect(await history().asOf("a", thisMonth)).toBeUndefined();
  expect(await history().asOf("a", new Date(Date.now() + 60_000))).toMatchObject({ text: "now" });
});

test("deletes old rows from the default partition in batches, and leaves the young ones", async () => {
  await createKeptTables(database, [NoteSchema]);
  await database.query(
    `insert into kept.notes_history (id, version, operation, changed_at, login)
select 'n' || n, 1, 'insert', $1::timestamptz + n * interval '1 second', 'x' from generate_series(1, 12000) as n`,
    [monthsAgo(30).toISOString()],
  );
  const future = new Date(Date.UTC(now.getUTCFullYear() + 5, 0));
  await addChange(future, 1);
  expect(await prune()).toBe(1);
  expect(await database.query("select version::int from kept.notes_history_default")).toEqual([
    { version: 99 },
  ]);
  expect(await database.query("select horizon from quartet.history_horizon")).toEqual([
    { horizon: thisMonth },
  ]);
});

test("never touches a table without a retention", async () => {
  await createOldHistory(2, [NoteSchema, SeatSchema]);
  const before = await monthsOf("kept.seats");
  await prune();
  expect(await monthsOf("kept.seats")).toEqual(before);
  expect(await database.query("select table_name from quartet.history_horizon")).toEqual([
    { table_name: "kept.notes" },
  ]);
});

test("plans what it would do, and changes nothing", async () => {
  await createOldHistory(1);
  const months = await monthsOf("kept.notes");
  const [step, ...rest] = await readPrunePlan(domain, database.url());
  expect(rest).toEqual([]);
  expect(step).toMatchObject({
    table: "kept.notes",
    what: expect.stringContaining(`drop kept.notes_history_${nameOf(monthsAgo(1))} (`),
    sql: expect.stringMatching(
      /insert into quartet\.history_horizon[\s\S]*;\ndrop table if exists "kept"\."notes_history_/,
    ),
  });
  expect(await monthsOf("kept.notes")).toEqual(months);
  expect(await database.query("select * from quartet.history_horizon")).toEqual([]);
});

test("has nothing to do where no apply has been yet", async () => {
  await database.query("create schema quartet");
  expect(await prune()).toBe(0);
});

test("waits for whoever is in the way, and holds up no writer for long", async () => {
  await createOldHistory(1);
  const reader = await database.connect();
  await reader.query("begin");
  await reader.query("select count(*) from kept.notes_history");
  const pruning = prune();
  const writer = await database.connect();
  await writer.query("set statement_timeout = '2s'");
  for (let n = 0; n < 20; n++) {
    await writer.query("insert into kept.notes (pb) values (jsonb_build_object('id', $1::text))", [`w${n}`]);
  }
  expect(await database.query("select * from quartet.history_horizon")).toEqual([]);
  await reader.query("commit");
  expect(await pruning).toBe(1);
  expect(await database.query("select count(*)::int from kept.notes_history")).toEqual([{ count: 21 }]);
});

test("gives up when its patience ends, with nothing half done", async () => {
  await createOldHistory(1);
  const months = await monthsOf("kept.notes");
  const reader = await database.connect();
  await reader.query("begin");
  await reader.query("select count(*) from kept.notes_history");
  await expect(pruneHistory(domain, database.url(), { lockWaitMs: 300 })).rejects.toMatchObject({
    code: "unavailable",
  });
  await reader.query("commit");
  expect(await monthsOf("kept.notes")).toEqual(months);
  expect(await database.query("select * from quartet.history_horizon")).toEqual([]);
});

test("of a retention that prunes nothing drops no month that apply makes", () => {
  const names = historyObjects(tableOf(NoteSchema), now).map(({ identity }) => identity);
  const boundary = nameOf(monthsAgo(1));
  expect(names.filter((name) => name.includes(boundary))).toEqual([]);
});
