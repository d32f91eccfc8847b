import type { Column } from "../schema/column.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import type { Table, TableIndex } from "../schema/table.ts";

/** `create table` for a pbtable that does not exist yet. Key columns are STORED, all others VIRTUAL. */
export function createTableSql(table: Table): string {
  const keys = new Set(table.key.map((column) => column.name));
  const lines = [
    "pb jsonb not null",
    ...table.columns.map((column) => generatedColumn(column, keys.has(column.name) ? "stored" : "virtual")),
    "version bigint not null default 1",
    `primary key (${table.key.map((column) => quoteIdentifier(column.name)).join(", ")})`,
  ];
  return `create table if not exists ${table.sqlName} (\n  ${lines.join(",\n  ")}\n)`;
}

/** Adds one column: catalog-only, milliseconds on a table of any size. */
export function addColumnSql(table: Table, column: Column): string {
  return `alter table ${table.sqlName} add column if not exists ${generatedColumn(column, "virtual")}`;
}

/** Virtual columns cannot be indexed, but queries on them use an index on the same expression. */
export function createIndexSql(table: Table, index: TableIndex): string {
  const keys = new Set(table.key.map((column) => column.name));
  const parts = index.columns.map((column) =>
    keys.has(column.name) ? quoteIdentifier(column.name) : `(${column.expression})`,
  );
  const unique = index.unique ? "unique " : "";
  return (
    `create ${unique}index concurrently if not exists ${quoteIdentifier(index.name)} ` +
    `on ${table.sqlName} (${parts.join(", ")})`
  );
}

function generatedColumn(column: Column, storage: "stored" | "virtual"): string {
  const definition = `${quoteIdentifier(column.name)} ${column.sqlType}`;
  return `${definition} generated always as (${column.expression}) ${storage}`;
}
