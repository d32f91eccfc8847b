import type { DescMessage } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";

const columnsByField = new WeakMap<Table, ReadonlyMap<string, Column>>();

/**
 * The column of a field: its local name, or local names joined by dots for what is inside messages.
 *
 * @throws QuartetError `invalid_argument` when there is no such field, or none with a column.
 */
export function requireColumn(table: Table, field: string): Column {
  const column = columnsOf(table).get(field);
  if (column !== undefined) return column;
  const known = table.message.fields.some(({ localName }) => localName === field.split(".")[0]);
  throw new QuartetError(
    "invalid_argument",
    known ? `${field} of ${table.name} has no column.` : `${table.name} has no field ${field}.`,
    {
      field,
      ...(known ? { fix: "Give it one by option (quartet.v1.column): without hidden, or with a path." } : {}),
    },
  );
}

function columnsOf(table: Table): ReadonlyMap<string, Column> {
  const known = columnsByField.get(table);
  if (known !== undefined) return known;
  const columns = new Map(
    table.columns.map((column) => [localPath(table.message, column.path).join("."), column]),
  );
  columnsByField.set(table, columns);
  return columns;
}

function localPath(message: DescMessage, jsonPath: readonly string[]): string[] {
  const [jsonName, ...rest] = jsonPath;
  const field = message.fields.find((candidate) => candidate.jsonName === jsonName);
  if (field === undefined) return [];
  return [field.localName, ...(field.fieldKind === "message" ? localPath(field.message, rest) : [])];
}
