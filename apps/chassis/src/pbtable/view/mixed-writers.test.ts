import type { DescMessage } from "@bufbuild/protobuf";
import { sql } from "kysely";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import type { LooseMessage } from "../../schema/test-schema.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { createTransactionKysely } from "../kysely.ts";
import { ParcelSchema, parcelWriter } from "../merge/test-parcel.ts";
import type { TableWriter } from "../table-writer.ts";
import { createViews } from "./test-view.ts";

type Rows = TableWriter<DescMessage>;

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createViews(database, [ParcelSchema]);
});
afterAll(() => database[Symbol.asyncDispose]());

const key = ["race", 1n] as const;
const raised = (row: unknown): bigint => BigInt((row as LooseMessage)["big"] as bigint) + 1n;

/** Every way there is to add one to what a row has. */
const ways: readonly ((rows: Rows, client: PoolClient) => Promise<unknown>)[] = [
  (rows) => rows.update(key, (draft) => void Object.assign(draft, { big: raised(draft) })),
  async (rows) => rows.patch(key, { big: raised(await rows.getForUpdate(key)) }),
  async (rows) => {
    const [tenant, number] = key;
    await rows.upsert({ tenant, number, big: raised(await rows.getForUpdate(key)) });
  },
  async (rows) => {
    const read = await rows.get(key);
    if (read === undefined) throw new Error("the row is gone");
    await rows.patch(key, { big: raised(read) }, { version: rows.versionOf(read) });
  },
  (_, client) =>
    sql`update test.parcels_view set big = big + 1 where tenant = 'race'`.execute(
      createTransactionKysely(client),
    ),
];

test("No write that was committed is lost, in whatever ways one row is written at once", async () => {
  const [tenant, number] = key;
  await parcelWriter(database.pool).insert({ tenant, number });
  const pool = database.openPool(undefined, { maxConnections: ways.length * 2 });
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const way = ways[index % ways.length] ?? ways[0];
      try {
        await runTransaction(pool, (client) => Promise.resolve(way?.(parcelWriter(client), client)));
        return "committed";
      } catch (error) {
        return error instanceof QuartetError ? error.code : String(error);
      }
    }),
  );
  const committed = outcomes.filter((outcome) => outcome === "committed").length;
  expect(committed).toBeGreaterThan(100);
  const lost = new Set(outcomes).difference(new Set(["committed", "aborted", "version_mismatch"]));
  expect([...lost]).toEqual([]);
  const [row] = await database.query("select big::int, version::int from test.parcels where tenant = $1", [
    tenant,
  ]);
  expect(row).toEqual({ big: committed, version: committed + 1 });
});
