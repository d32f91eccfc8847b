import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { TableOptionsSchema } from "../../gen/quartet/v1/options_pb.ts";
import { type Column, hasPresence } from "./column.ts";
import { inTable, type ReportFault } from "./schema-fault.ts";
import { isPathColumn } from "./table-columns.ts";

/** INDEX_MAX_KEYS of Postgres. */
export const maxIndexColumns = 32;

const keyNumber = TableOptionsSchema.field.key.number;

/** Reads `key` of the table option: the columns of the primary key, in order. */
export function readKey(
  message: DescMessage,
  key: readonly string[],
  columns: readonly Column[],
  report: ReportFault,
): readonly Column[] {
  if (key.length === 0) report("a table needs a key", inTable(message));
  if (key.length > maxIndexColumns) {
    report(
      `the key has ${key.length} columns, and Postgres allows ${maxIndexColumns}`,
      inTable(message, keyNumber),
    );
  }
  return key.flatMap((name, index) => {
    const fault = (what: string) => report(what, inTable(message, keyNumber, index));
    if (key.indexOf(name) < index) {
      fault(`key names twice "${name}"`);
      return [];
    }
    const what = findKeyFault(message, name, columns);
    if (what !== undefined) fault(what);
    return columns.find((column) => column.name === name) ?? [];
  });
}

/** What keeps a field from being part of the key. */
function findKeyFault(message: DescMessage, name: string, columns: readonly Column[]): string | undefined {
  const field = message.fields.find((candidate) => candidate.name === name);
  const column = columns.find((candidate) => candidate.name === name);
  if (field === undefined && column !== undefined && isPathColumn(column)) {
    return `key names "${name}", which is a path column: a key is made of the row's own fields`;
  }
  if (field === undefined) return `key names "${name}", which is no field`;
  const what = findTypeFault(field);
  if (what !== undefined) return `key field "${name}" ${what}`;
  return column === undefined ? `key names "${name}", which is hidden and no column` : undefined;
}

function findTypeFault(field: DescField): string | undefined {
  if (field.fieldKind !== "scalar" && field.fieldKind !== "enum") return "is not a plain scalar";
  if (hasPresence(field)) {
    return 'is not a plain scalar: "optional", a oneof or the edition lets it be absent, and a key never is';
  }
  if (field.fieldKind === "enum") return undefined;
  if (field.scalar === ScalarType.BYTES) return "is bytes, which make no key";
  if (field.scalar === ScalarType.FLOAT || field.scalar === ScalarType.DOUBLE) {
    return `is a ${ScalarType[field.scalar].toLowerCase()}, which makes no key: NaN equals nothing, and -0 equals 0`;
  }
  return undefined;
}
