import type { ClientBase } from "pg";
import { inboxSql } from "../inbox/inbox-ddl.ts";
import { createOutboxPublicationSql, outboxPublication, outboxSql } from "../outbox/outbox-ddl.ts";
import { addColumnSql, createIndexSql, createTableSql } from "../pbtable/table-ddl.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table.ts";
import { createRolesSql } from "./roles-ddl.ts";

/** One statement of a plan, and what it is for. */
export interface Step {
  readonly what: string;
  readonly sql: string;
  /** Quoted name of the index that the statement builds concurrently. */
  readonly index?: string;
}

/** What a database has to have. */
export interface SchemaTarget {
  readonly tables: readonly Table[];
  /** Statements that are safe to repeat, between tables and grants. */
  readonly extra: readonly string[];
  readonly grants: readonly string[];
  readonly now: Date;
}

/** The statements that bring a database to the target. Nothing in it drops or rewrites. */
export async function planSchema(client: ClientBase, target: SchemaTarget): Promise<readonly Step[]> {
  const existing = await readColumns(client, target.tables);
  const schemas = [...new Set(["quartet", ...target.tables.map((table) => table.schemaName)])];
  return [
    ...createRolesSql().map((sql) => ({ what: "role", sql })),
    ...schemas.map((name) => ({
      what: `schema ${name}`,
      sql: `create schema if not exists ${quoteIdentifier(name)}`,
    })),
    ...outboxSql(target.now).map((sql) => ({ what: "outbox", sql })),
    ...inboxSql.map((sql) => ({ what: "inbox", sql })),
    ...target.extra.map((sql) => ({ what: "log", sql })),
    ...target.tables.flatMap((table) => planTable(table, existing.get(table.name))),
    ...(await planPublication(client)),
    ...target.grants.map((sql) => ({ what: "grant", sql })),
  ];
}

function planTable(table: Table, columns: ReadonlySet<string> | undefined): Step[] {
  const indexes = table.indexes.map((index) => ({
    what: `index ${index.name}`,
    sql: createIndexSql(table, index),
    index: `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(index.name)}`,
  }));
  if (columns === undefined) {
    return [{ what: `table ${table.name}`, sql: createTableSql(table) }, ...indexes];
  }
  const added = table.columns
    .filter((column) => !columns.has(column.name))
    .map((column) => ({ what: `column ${table.name}.${column.name}`, sql: addColumnSql(table, column) }));
  return [...added, ...indexes];
}

async function planPublication(client: ClientBase): Promise<Step[]> {
  const found = await client.query("select from pg_publication where pubname = $1", [outboxPublication]);
  return found.rowCount === 0 ? [{ what: "publication", sql: createOutboxPublicationSql }] : [];
}

/** Names of the columns of those tables that exist. */
async function readColumns(
  client: ClientBase,
  tables: readonly Table[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const result = await client.query<{ name: string; columns: string[] }>(
    `select n.nspname || '.' || c.relname as name, array_agg(a.attname::text) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname || '.' || c.relname = any($1::text[]) group by 1`,
    [tables.map((table) => table.name)],
  );
  return new Map(result.rows.map((row) => [row.name, new Set(row.columns)]));
}
