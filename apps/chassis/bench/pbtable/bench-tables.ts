import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Kysely } from "kysely";
import type { Pool } from "pg";
import { openTestServer, type TestDatabase } from "../../src/cluster/postgres/test-database.ts";
import { createIndexSql, createTableSql } from "../../src/pbtable/table-ddl.ts";
import { TableWriter } from "../../src/pbtable/table-writer.ts";
import { tableOf } from "../../src/schema/table/table.ts";
import { createHandMade, type HandMadeDatabase, handMadeRow, handMadeSql } from "./hand-made.ts";
import { benchRegistry, ItemSchema, type ItemValues, itemValues } from "./item.ts";

/** Connections of each side, and operations under way at once. */
export const width = 16;

/** The pbtable and the hand-made table beside it, each with a pool of its own. Disposing stops the server. */
export interface BenchTables extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly items: TableWriter<typeof ItemSchema>;
  readonly handMade: Kysely<HandMadeDatabase>;
  readonly postgres: string;
}

export async function openBenchTables(): Promise<BenchTables> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await openTestServer());
  const database = await server.openDatabase();
  const table = tableOf(ItemSchema);
  await database.query("create schema bench");
  await database.query(createTableSql(table));
  for (const index of table.indexes) await database.query(createIndexSql(table, index));
  for (const sql of handMadeSql) await database.query(sql);
  const pool = database.openPool(undefined, { maxConnections: width });
  const theirs = database.openPool(undefined, { maxConnections: width });
  const [version] = await database.query<{ version: string }>(
    "select 'PostgreSQL ' || current_setting('server_version') as version",
  );
  const owned = stack.move();
  return {
    database,
    pool,
    items: new TableWriter(table, pool, benchRegistry),
    handMade: createHandMade(theirs),
    postgres: version?.version ?? "",
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A row of the suite as a message's fields. */
export function itemInit(values: ItemValues) {
  return { ...values, createTime: timestampFromDate(values.createTime) };
}

/** Puts the same rows into both tables, and lets Postgres learn what is there. */
export async function fillTables(tables: BenchTables, rows: number): Promise<void> {
  const batch = 500;
  for (let start = 0; start < rows; start += batch) {
    const values = Array.from({ length: Math.min(batch, rows - start) }, (_, index) =>
      itemValues(start + index),
    );
    await tables.items.insertMany(values.map(itemInit));
    await tables.handMade.insertInto("bench.hand_made").values(values.map(handMadeRow)).execute();
  }
  for (const name of ["items", "hand_made"]) await tables.database.query(`vacuum (analyze) bench.${name}`);
}
