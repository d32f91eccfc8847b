import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { tableOf } from "../schema/table/table.ts";
import { ParcelSchema } from "./merge/test-parcel.ts";
import { statementsOf as versionStatementsOf } from "./seen-row.ts";
import { statementsOf } from "./table-statements.ts";
import { createTables } from "./test-table.ts";

let database: TestDatabase;

/** As few rows as a table has soon after its first, when the server decides which plan it keeps. */
beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [ParcelSchema]);
  await database.query(`
    insert into test.parcels (pb) select jsonb_build_object('tenant', 't', 'number', n::text) from generate_series(1, 60) n`);
});
afterAll(() => database[Symbol.asyncDispose]());

const table = tableOf(ParcelSchema);
const { getMany } = statementsOf(table);
const { getMany: getManyNoted, none, share, change } = versionStatementsOf(table);

/** The plan that is kept for whatever keys, and for all rows that are to come. */
async function explainKept(text: string): Promise<string> {
  const rows = await database.query<{ "QUERY PLAN": string }>(`explain (generic_plan) ${text}`);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

test.each(Object.entries({ getMany, getManyNoted, none, share, change }))(
  "many keys are read by the primary key, also by a plan that is made while there are few rows: %s",
  async (_, { text }) => {
    const plan = await explainKept(text);
    expect(plan).toContain("Index Scan using parcels_pkey");
    expect(plan).not.toContain("Seq Scan");
  },
);

test("a join reads the whole table for ever, once it is planned for few rows", async () => {
  const join =
    "select t.pb from unnest($1::text[], $2::bigint[]) as k (a, b) join test.parcels t on t.tenant = k.a and t.number = k.b";
  expect(await explainKept(join)).toContain("Seq Scan");
});
