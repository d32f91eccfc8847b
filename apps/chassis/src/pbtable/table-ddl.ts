import type { Column } from "../schema/column.ts";
import { quoteIdentifier } from "../schema/identifier.ts";
import type { Table } from "../schema/table.ts";
import type { TableIndex } from "../schema/table-index.ts";

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

/**
 * Builds an index without holding up writers. Virtual columns cannot be indexed, but queries on them use an index on the
 * same expression.
 */
export function createIndexSql(table: Table, index: TableIndex): string {
  return indexSql(table, index, "concurrently if not exists ");
}

function indexSql(table: Table, index: TableIndex, how: string): string {
  const keys = new Set(table.key.map((column) => column.name));
  const parts = index.parts.map(({ column, descending }) => {
    const value = keys.has(column.name) ? quoteIdentifier(column.name) : `(${column.expression})`;
    return descending ? `${value} desc` : value;
  });
  const unique = index.unique ? "unique " : "";
  const where = index.where === undefined ? "" : ` where ${index.where}`;
  return (
    `create ${unique}index ${how}${quoteIdentifier(index.name)} ` +
    `on ${table.sqlName} using ${index.method} (${parts.join(", ")})${where}`
  );
}

function generatedColumn(column: Column, storage: "stored" | "virtual"): string {
  const definition = `${quoteIdentifier(column.name)} ${column.sqlType}`;
  return `${definition} generated always as (${column.expression}) ${storage}`;
}
