import type { DescField, Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { localValue } from "../schema/json/local-value.ts";
import type { Column } from "../schema/table/column.ts";
import type { Table } from "../schema/table/table.ts";

/** A value of one key column. An enum's is the number that messages have, or the name that columns have. */
export type KeyPart = string | number | bigint | boolean;

/** A row's key: the value of its key column, or one value per column, in order, when the key is composite. */
export type TableKey = KeyPart | readonly KeyPart[];

/** The bound values of a key, checked against the table's key columns. */
export function keyValues(table: Table, key: TableKey): unknown[] {
  const parts: readonly KeyPart[] = isComposite(key) ? key : [key];
  if (parts.length !== table.key.length) {
    const names = table.key.map((column) => column.name).join(", ");
    throw new QuartetError(
      "invalid_argument",
      `${table.name} has the key (${names}), not ${parts.length} values.`,
    );
  }
  return table.key.map((column, index) => boundPart(column, parts[index]));
}

/** The key of a message, for errors and for reading it back. */
export function keyOf(table: Table, message: Message): readonly KeyPart[] {
  return table.key.map(({ field }) => {
    // Key fields are scalars and enums that are never absent.
    const value = localValue(field, message) as KeyPart;
    return field.fieldKind === "enum" ? enumName(field, Number(value)) : value;
  });
}

/** A key as errors print it. */
export function formatKey(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(String(value))).join(", ");
}

function boundPart({ field, name }: Column, part: KeyPart | undefined): unknown {
  if (typeof part === "bigint") return part.toString();
  if (typeof part === "string" && !part.isWellFormed()) throw notUnicode(name);
  if (typeof part !== "number" || field.fieldKind !== "enum") return part;
  return enumName(field, part);
}

/** On its way to the database half of a surrogate pair would become U+FFFD, which is another row's key. */
function notUnicode(name: string): QuartetError {
  return new QuartetError(
    "invalid_argument",
    `${name} contains half of a surrogate pair, which is no Unicode.`,
    {
      field: name,
    },
  );
}

/** As ProtoJSON and its column have it: numbers without a name are their own. */
function enumName(field: DescField & { fieldKind: "enum" }, value: number): string {
  return field.enum.value[value]?.jsonName ?? String(value);
}

function isComposite(key: TableKey): key is readonly KeyPart[] {
  return Array.isArray(key);
}
