import type { Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { tableOf } from "../schema/table/table.ts";
import { PairSchema, testRegistry } from "../schema/test-schema.ts";
import { runTransaction } from "../sql/run-transaction.ts";
import { createReader, createTransactionKysely, type ReadonlyKysely } from "./kysely.ts";
import { TableReader } from "./table-reader.ts";
import type { PbRow } from "./table-types.ts";
import { createTables, LooseWriter } from "./test-table.ts";

/** As generated code declares it. */
interface TestTables {
  "test.pairs": PbRow<{ tenant: string; number: bigint; label: string }>;
}

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [PairSchema]);
  const pairs = new LooseWriter(PairSchema, database.pool);
  for (const number of [1n, 2n, 3n])
    await pairs.insert({ tenant: "t", number, label: `label ${number}`, secret: "s" });
});
afterAll(() => database[Symbol.asyncDispose]());

/** Tests add no tables to the global type that generated code fills, so the reader is told of them here. */
function readerOf(): Pick<Kysely<TestTables>, "selectFrom"> {
  return createReader(database.pool) as unknown as Pick<Kysely<TestTables>, "selectFrom">;
}

describe("the reader", () => {
  test("selects by generated columns and decodes the message", async () => {
    const rows = await readerOf()
      .selectFrom("test.pairs")
      .where("number", ">", 1n)
      .orderBy("label", "desc")
      .select(["number", "label", "pb", "version"])
      .execute();
    expect(rows.map((row) => [row.number, row.label, row.version])).toEqual([
      [3n, "label 3", 1n],
      [2n, "label 2", 1n],
    ]);
    const decoder = new TableReader(tableOf(PairSchema), database.pool, testRegistry);
    expect(decoder.decode(rows[0]?.pb)).toMatchObject({ tenant: "t", number: 3n, secret: "s" });
  });

  test("has no way to write, by type", () => {
    expectTypeOf<ReadonlyKysely>().not.toHaveProperty("insertInto");
    expectTypeOf<ReadonlyKysely>().not.toHaveProperty("updateTable");
    expectTypeOf<ReadonlyKysely>().not.toHaveProperty("deleteFrom");
  });

  test("a query on an indexed column uses the index on its expression", async () => {
    const client = await database.connect();
    await client.query("set enable_seqscan = off");
    const plan = await client.query("explain select from test.pairs where label = 'label 2'");
    expect(JSON.stringify(plan.rows)).toContain("pairs_label_idx");
  });
});

test("Kysely in a transaction sees its writes, and leaves the connection to the transaction", async () => {
  const seen = await runTransaction(database.pool, async (client) => {
    await new LooseWriter(PairSchema, client).insert({ tenant: "tx", number: 1n });
    const kysely = createTransactionKysely(client) as unknown as Kysely<TestTables>;
    return kysely.selectFrom("test.pairs").where("tenant", "=", "tx").select("number").execute();
  });
  expect(seen).toEqual([{ number: 1n }]);
  expect(database.pool.idleCount).toBe(database.pool.totalCount);
});

test("Long texts get no names: there is another one for every number of rows", async () => {
  const count = async (length: number) => {
    const numbers = Array.from({ length }, (_, index) => BigInt(index));
    return runTransaction(database.pool, async (client) => {
      const kysely = createTransactionKysely(client) as unknown as Kysely<TestTables>;
      const of = kysely.selectFrom("test.pairs").where("number", "in", numbers).select("label");
      await of.execute();
      const named = await client.query("select from pg_prepared_statements where statement = $1", [
        of.compile().sql,
      ]);
      return named.rowCount;
    });
  };
  expect([await count(3), await count(3_000)]).toEqual([1, 0]);
});
