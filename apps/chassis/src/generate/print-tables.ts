import type { Column } from "../schema/table/column.ts";
import type { Table } from "../schema/table/table.ts";
import { isPathColumn } from "../schema/table/table-columns.ts";

/** Names of `@quartet/chassis` that the types of some tables are written with. */
export function typesOf(tables: readonly Table[]): readonly string[] {
  if (tables.length === 0) return [];
  const history = tables.some((table) => table.history !== undefined);
  return [...(history ? ["HistoryRow"] : []), "PbRow", "ViewRow"];
}

/** The lines of a table's types for Kysely: the table, its relational view, and its history if it keeps one. */
export function printTable(table: Table): readonly string[] {
  const { typeName } = table.message;
  const lines = [
    `/** ${typeName} */`,
    `${JSON.stringify(table.name)}: PbRow<${printColumns(table.columns)}>;`,
    `/** ${typeName} by plain columns, to read and to write. */`,
    `${JSON.stringify(table.viewName)}: ViewRow<${printView(table)}>;`,
  ];
  if (table.history === undefined) return lines;
  return [
    ...lines,
    `/** Changes of ${typeName}. */`,
    `${JSON.stringify(`${table.name}_history`)}: HistoryRow<${printColumns(table.key)}>;`,
  ];
}

function printView(table: Table): string {
  const rest = table.columns.filter((column) => !table.key.includes(column));
  const own = rest.filter((column) => !isPathColumn(column));
  const groups = {
    key: table.key,
    plain: own.filter((column) => column.sqlType !== "jsonb"),
    json: own.filter((column) => column.sqlType === "jsonb"),
    path: rest.filter(isPathColumn),
  };
  const members = Object.entries(groups)
    .filter(([, columns]) => columns.length > 0)
    .map(([name, columns]) => `${name}: ${printColumns(columns)};`);
  return printObject(members);
}

function printColumns(columns: readonly Column[]): string {
  return printObject(columns.map((column) => `${column.name}: ${printType(column)};`));
}

function printType({ tsType, nullable }: Column): string {
  return nullable && tsType !== "unknown" ? `${tsType} | null` : tsType;
}

function printObject(members: readonly string[]): string {
  return `{\n${indent(members.join("\n"))}\n}`;
}

/** Two spaces before every line. */
export function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
