import { createHash } from "node:crypto";
import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import * as options from "../gen/quartet/v1/options_pb.ts";
import { type Column, columnOf, hasPresence } from "./column.ts";
import { fitsIdentifier, quoteIdentifier } from "./identifier.ts";

/** A message that is a table: its names in SQL, its key and its generated columns. */
export interface Table {
  readonly message: DescMessage;
  readonly schemaName: string;
  readonly tableName: string;
  /** `schema.table` as the proto says it, and as Kysely names it. */
  readonly name: string;
  /** Quoted, for SQL. */
  readonly sqlName: string;
  readonly key: readonly Column[];
  /** All generated columns, key columns included, in field order. */
  readonly columns: readonly Column[];
  readonly indexes: readonly TableIndex[];
}

export interface TableIndex {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly unique: boolean;
}

/** Columns a pbtable has beside its fields, and those Postgres gives every table. */
const reservedColumns: ReadonlySet<string> = new Set([
  ...["pb", "version"],
  ...["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"],
]);

const tables = new WeakMap<DescMessage, Table | null>();

/** True when the message carries `option (quartet.v1.table)`. */
export function isTable(message: DescMessage): boolean {
  return hasOption(message, options.table);
}

/**
 * Reads the table that a message is. The result is computed once per descriptor.
 *
 * @throws QuartetError `invalid_argument` naming file and message when the option cannot be a table.
 */
export function tableOf(message: DescMessage): Table {
  const known = tables.get(message);
  if (known) return known;
  const table = readTable(message);
  tables.set(message, table);
  return table;
}

function readTable(message: DescMessage): Table {
  const option = getOption(message, options.table);
  const [schemaName, tableName, ...rest] = option.name.split(".");
  if (!schemaName || !tableName || rest.length > 0) {
    throw fault(message, `table name "${option.name}" is not of the form "schema.table"`);
  }
  for (const name of [schemaName, tableName]) requireIdentifier(message, name);
  const columns = message.fields.filter((field) => !getOption(field, options.column).hidden).map(columnOf);
  for (const column of columns) {
    if (reservedColumns.has(column.name)) throw fault(message, `field "${column.name}" is a reserved column`);
    requireIdentifier(message, column.name);
  }
  const find = (name: string, use: string) => {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) throw fault(message, `${use} names "${name}", which is no column`);
    return column;
  };
  if (option.key.length === 0) throw fault(message, "a table needs a key");
  for (const name of option.key) requireKeyField(message, name);
  requireDistinct(message, "key names twice", option.key);
  const indexes = option.index.map((index) => ({
    name: indexName(tableName, index.field),
    columns: index.field.map((name) => find(name, "index")),
    unique: index.unique,
  }));
  if (indexes.some((index) => index.columns.length === 0)) throw fault(message, "an index needs a field");
  requireDistinct(
    message,
    "two indexes have the name",
    indexes.map((index) => index.name),
  );
  return {
    message,
    schemaName,
    tableName,
    name: option.name,
    sqlName: `${quoteIdentifier(schemaName)}.${quoteIdentifier(tableName)}`,
    key: option.key.map((name) => find(name, "key")),
    columns,
    indexes,
  };
}

function requireKeyField(message: DescMessage, name: string): void {
  const field: DescField | undefined = message.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw fault(message, `key names "${name}", which is no field`);
  const scalar = field.fieldKind === "scalar" || field.fieldKind === "enum";
  if (!scalar || hasPresence(field)) throw fault(message, `key field "${name}" is not a plain scalar`);
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES) {
    throw fault(message, `key field "${name}" is bytes, which make no key`);
  }
}

/** Postgres would cut the name silently, and two of them to the same one. */
function requireIdentifier(message: DescMessage, name: string): void {
  if (!fitsIdentifier(name)) throw fault(message, `"${name}" is too long for a name in SQL`);
}

function requireDistinct(message: DescMessage, what: string, names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw fault(message, `${what} "${twice}"`);
}

/** `table_field_field_idx`, or where that is too long for Postgres, its beginning and a hash of all of it. */
function indexName(tableName: string, fields: readonly string[]): string {
  const name = [tableName, ...fields, "idx"].join("_");
  if (fitsIdentifier(name)) return name;
  return `${name.slice(0, 40)}_${createHash("sha256").update(name).digest("hex").slice(0, 12)}_idx`;
}

function fault(message: DescMessage, what: string): QuartetError {
  return new QuartetError("invalid_argument", `${message.file.name}.proto: ${message.typeName}: ${what}.`, {
    fix: "Mend option (quartet.v1.table) of the message.",
  });
}
