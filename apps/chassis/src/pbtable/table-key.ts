import type { Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { QuartetError } from "../error/quartet-error.ts";
import type { Table } from "../schema/table.ts";

/** A value of one key column. */
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
  return parts.map((part) => (typeof part === "bigint" ? part.toString() : part));
}

/** The key of a message, for errors and for reading it back. */
export function keyOf(table: Table, message: Message): readonly KeyPart[] {
  const reflected = reflect(table.message, message);
  return table.key.map((column) => {
    const field = table.message.fields.find((candidate) => candidate.name === column.name);
    const value: unknown = field === undefined ? undefined : reflected.get(field);
    if (field?.fieldKind === "enum") return field.enum.values.find((v) => v.number === value)?.name ?? "";
    return isKeyPart(value) ? value : String(value);
  });
}

function isComposite(key: TableKey): key is readonly KeyPart[] {
  return Array.isArray(key);
}

function isKeyPart(value: unknown): value is KeyPart {
  return ["string", "number", "bigint", "boolean"].includes(typeof value);
}
