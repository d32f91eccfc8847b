import { type DescField, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import { type Column, hasPresence } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import { isPathColumn } from "../../schema/table/table-columns.ts";

/** A oneof of which the view shows members. */
export interface ViewOneof {
  readonly name: string;
  /** JSON names of all members, shown or not. */
  readonly keys: readonly string[];
  /** The members that the view shows. */
  readonly members: readonly Column[];
}

/** The columns of the view that can be written. Path columns are parts of others. */
export function writableColumns(table: Table): readonly Column[] {
  return table.columns.filter((column) => !isPathColumn(column));
}

/** The oneofs of which the view shows members. `optional` makes none. */
export function oneofsOf(table: Table): readonly ViewOneof[] {
  return table.message.oneofs
    .map((oneof) => ({
      name: oneof.name,
      keys: oneof.fields.map((field) => field.jsonName),
      members: writableColumns(table).filter(({ field }) => field.oneof === oneof),
    }))
    .filter(({ members }) => members.length > 0);
}

/** SQL of the value that a statement gives a column. JSON null is NULL, except where it is a value of its own. */
export function newValue({ name, field, sqlType }: Column): string {
  const value = `NEW.${quoteIdentifier(name)}`;
  const isValue = field.fieldKind === "message" && field.message.typeName === "google.protobuf.Value";
  return sqlType === "jsonb" && !isValue ? `nullif(${value}, 'null')` : value;
}

/** SQL condition: the statement gives the column another value than it had, in an INSERT any but NULL. */
export function isChanged({ name }: Column): string {
  return `NEW.${quoteIdentifier(name)} is distinct from OLD.${quoteIdentifier(name)}`;
}

/** SQL condition: {@link isChanged}, and not to NULL. */
export function isSet(column: Column): string {
  return `(${isChanged(column)} and ${newValue(column)} is not null)`;
}

/** The canonical ProtoJSON of a field that nobody set. Undefined: it has none, its key is absent. */
export function zeroJson(field: DescField): JsonValue | undefined {
  if (field.fieldKind === "list") return [];
  if (field.fieldKind === "map") return {};
  if (field.fieldKind === "message" || hasPresence(field)) return undefined;
  if (field.fieldKind === "enum") {
    return field.enum.typeName === "google.protobuf.NullValue" ? null : (field.enum.values[0]?.jsonName ?? 0);
  }
  if (field.scalar === ScalarType.BOOL) return false;
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) return "";
  return wideScalars.has(field.scalar) ? "0" : 0;
}

/** {@link zeroJson} as an SQL literal. */
export function zeroLiteral(field: DescField): string | undefined {
  const zero = zeroJson(field);
  return zero === undefined ? undefined : quoteLiteral(JSON.stringify(zero));
}

/** The scalars that ProtoJSON writes as strings of digits. */
export const wideScalars: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);
