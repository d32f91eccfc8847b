import { quoteIdentifier } from "../schema/identifier.ts";
import type { Column } from "../schema/table/column.ts";
import type { Table } from "../schema/table/table.ts";
import type { TableIndex } from "../schema/table/table-index.ts";

/** `create table` for a pbtable that does not exist yet. Key columns are STORED, all others VIRTUAL. */
export function createTableSql(table: Table): string {
  return `create table if not exists ${table.sqlName} (\n  ${tableLines(table).join(",\n  ")}\n)`;
}

/** Adds columns under one lock: catalog-only, milliseconds on a table of any size. */
export function addColumnsSql(table: Table, columns: readonly Column[]): string {
  const added = columns.map((column) => `add column if not exists ${columnSql(table, column)}`);
  return `alter table ${table.sqlName}\n  ${added.join(",\n  ")}`;
}

/**
 * Builds an index, `concurrently` without holding up writers. Virtual columns cannot be indexed, but queries on them use
 * an index on the same expression.
 *
 * @param how `at once` is for a table that nobody writes yet
 */
export function createIndexSql(
  table: Table,
  index: TableIndex,
  how: "concurrently" | "at once" = "concurrently",
): string {
  const words = how === "at once" ? "if not exists " : "concurrently if not exists ";
  return indexSql(table, index, { how: words, on: table.sqlName });
}

/**
 * An empty temporary table of the same columns, key and indexes, for comparing Postgres' own words for them with those of
 * the real one.
 *
 * @param name unquoted name of the temporary table
 */
export function createShadowSql(table: Table, name: string): readonly string[] {
  const on = `pg_temp.${quoteIdentifier(name)}`;
  return [
    `create temporary table ${quoteIdentifier(name)} (${tableLines(table).join(", ")})`,
    ...table.indexes.map((index) => indexSql(table, index, { how: "", on })),
  ];
}

/** A generated column as it stands in `create table` and `add column`. */
export function columnSql(table: Table, column: Column): string {
  const storage = isKeyColumn(table, column) ? "stored" : "virtual";
  return `${quoteIdentifier(column.name)} ${column.sqlType} generated always as (${column.expression}) ${storage}`;
}

/** Key columns are stored, since a primary key needs that; all others are computed when read. */
export function isKeyColumn(table: Table, column: Column): boolean {
  return table.key.some((key) => key.name === column.name);
}

/** `primary key (…)`. */
export function primaryKeySql(table: Table): string {
  return `primary key (${table.key.map((column) => quoteIdentifier(column.name)).join(", ")})`;
}

function tableLines(table: Table): readonly string[] {
  return [
    "pb jsonb not null",
    ...table.columns.map((column) => columnSql(table, column)),
    "version bigint not null default 1",
    primaryKeySql(table),
  ];
}

function indexSql(
  table: Table,
  index: TableIndex,
  { how, on }: { readonly how: string; readonly on: string },
): string {
  const parts = index.parts.map(({ column, descending }) => {
    const value = isKeyColumn(table, column) ? quoteIdentifier(column.name) : `(${column.expression})`;
    return descending ? `${value} desc` : value;
  });
  const unique = index.unique ? "unique " : "";
  const where = index.where === undefined ? "" : ` where ${index.where}`;
  return (
    `create ${unique}index ${how}${quoteIdentifier(index.name)} ` +
    `on ${on} using ${index.method} (${parts.join(", ")})${where}`
  );
}
