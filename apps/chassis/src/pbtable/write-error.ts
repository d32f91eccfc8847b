import type { JsonValue } from "@bufbuild/protobuf";
import { DatabaseError } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { isJsonMap, own } from "../schema/json/json-map.ts";
import type { Column } from "../schema/table/column.ts";
import type { Table } from "../schema/table/table.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";

/** SQLSTATE unique_violation. */
const uniqueViolation = "23505";

/**
 * An error of writing a row as the public error it means.
 *
 * @param row names the row that was written, such as `Order "1"`
 * @param field where the row was in the caller's input
 */
export function translateWriteError(error: unknown, table: Table, row: string, field?: string): unknown {
  if (!isUniqueViolation(error)) return translateDatabaseError(error);
  const index = table.indexes.find((candidate) => candidate.name === error.constraint);
  const names = index?.parts.map(({ column }) => column.name).join(", ");
  const message =
    names === undefined ? `${row} exists already.` : `Another ${table.message.name} has the same ${names}.`;
  const extras = field === undefined ? { cause: error } : { cause: error, field };
  return new QuartetError("already_exists", message, extras);
}

/**
 * Which of the rows of one statement a unique index refused, as far as Postgres tells: it inserts them in order, stops
 * at the first that collides, and prints that one's values.
 */
export function findColliding(error: unknown, table: Table, rows: readonly JsonValue[]): number | undefined {
  if (!isUniqueViolation(error) || error.detail === undefined) return undefined;
  const { constraint, detail } = error;
  const index = table.indexes.find((candidate) => candidate.name === constraint);
  const columns = index?.parts.map(({ column }) => column) ?? table.key;
  // The words around the values are in the server's language.
  const found = rows.findIndex((row) =>
    detail.includes(`=(${columns.map((column) => shownValue(column, row)).join(", ")})`),
  );
  return found < 0 ? undefined : found;
}

function isUniqueViolation(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && error.code === uniqueViolation;
}

/** A value as Postgres prints it, of the types that ProtoJSON prints likewise. */
function shownValue(column: Column, row: JsonValue): string {
  const value = column.path.reduce<JsonValue | undefined>(
    (inside, name) => (isJsonMap(inside) ? own(inside, name) : undefined),
    row,
  );
  return typeof value === "boolean" ? (value ? "t" : "f") : String(value);
}
