import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import * as options from "../gen/quartet/v1/options_pb.ts";
import { type Column, columnAt, columnOf, hasPresence } from "./column.ts";
import { fitsIdentifier, quoteIdentifier } from "./identifier.ts";
import { readIndex, type TableIndex } from "./table-index.ts";

/** A message that is a table: its names in SQL, its key and its generated columns. */
export interface Table {
  readonly message: DescMessage;
  readonly schemaName: string;
  readonly tableName: string;
  /** `schema.table` as the proto says it, and as Kysely names it. */
  readonly name: string;
  /** Quoted, for SQL. */
  readonly sqlName: string;
  /** `schema.table_view`: the relational view, which takes inserts, updates and deletes by plain columns. */
  readonly viewName: string;
  readonly key: readonly Column[];
  /** All generated columns, key columns included: of fields in their order, each followed by its path columns. */
  readonly columns: readonly Column[];
  readonly indexes: readonly TableIndex[];
  /** Every change of a row is kept in `schema.table_history`. */
  readonly history: TableHistory | undefined;
  /** Every change of a row is published as an event. */
  readonly publish: boolean;
}

/** What is kept of a table's changes. */
export interface TableHistory {
  /** Undefined: for ever. */
  readonly retentionSeconds: bigint | undefined;
}

/** Columns a pbtable has beside its fields, and those Postgres gives every table. */
const reservedColumns: ReadonlySet<string> = new Set([
  ...["pb", "version"],
  ...["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"],
]);

/** What is appended to a table's name for what belongs to it. */
const suffixes = ["view", "history", "history_default", "history_2000_01"] as const;

const tables = new WeakMap<DescMessage, Table>();

/** True when the message carries `option (quartet.v1.table)`. */
export function isTable(message: DescMessage): boolean {
  return hasOption(message, options.table);
}

/**
 * Reads the table that a message is. The result is computed once per descriptor.
 *
 * @throws QuartetError `invalid_argument` naming file, message and everything that keeps it from being a table.
 */
export function tableOf(message: DescMessage): Table {
  const known = tables.get(message);
  if (known) return known;
  const { table, faults } = readTable(message);
  if (faults.length > 0) {
    throw new QuartetError("invalid_argument", faults.map((what) => formatFault(message, what)).join("\n"), {
      fix: "Mend option (quartet.v1.table) of the message.",
    });
  }
  tables.set(message, table);
  return table;
}

/** Reads the table that a message wants to be, and all that is wrong with it. */
function readTable(message: DescMessage): { readonly table: Table; readonly faults: readonly string[] } {
  const option = getOption(message, options.table);
  const faults: string[] = [];
  const fault = (what: string) => void faults.push(what);
  const [schemaName = "", tableName = ""] = readName(option.name, fault);
  const columns = readColumns(message, fault);
  const find = (name: string) => columns.find((column) => column.name === name);
  faults.push(...option.key.flatMap((name) => findKeyFault(message, name, find) ?? []));
  if (option.key.length === 0) fault("a table needs a key");
  requireDistinct("key names twice", option.key, fault);
  const indexes = option.index.map((index) => readIndex(tableName, index, find, fault));
  requireDistinct(
    "two indexes have the name",
    indexes.map((index) => index.name),
    fault,
  );
  if (option.historyRetention !== undefined && !option.history) {
    fault("history_retention is set, history is not");
  }
  if (option.historyRetention !== undefined && option.historyRetention.seconds <= 0n) {
    fault("history_retention is not positive");
  }
  const table: Table = {
    message,
    schemaName,
    tableName,
    name: option.name,
    sqlName: fitsIdentifier(schemaName) && fitsIdentifier(tableName) ? quoteName(schemaName, tableName) : "",
    viewName: `${option.name}_view`,
    key: option.key.flatMap((name) => find(name) ?? []),
    columns,
    indexes,
    history: option.history ? { retentionSeconds: option.historyRetention?.seconds } : undefined,
    publish: option.publish,
  };
  return { table, faults };
}

function quoteName(schemaName: string, tableName: string): string {
  return `${quoteIdentifier(schemaName)}.${quoteIdentifier(tableName)}`;
}

function readName(name: string, fault: (what: string) => void): readonly string[] {
  const parts = name.split(".");
  if (parts.length !== 2 || parts.includes("")) {
    fault(`table name "${name}" is not of the form "schema.table"`);
    return ["", ""];
  }
  for (const part of parts) requireIdentifier(part, fault);
  const [, tableName = ""] = parts;
  if (fitsIdentifier(tableName) && suffixes.some((suffix) => !fitsIdentifier(`${tableName}_${suffix}`))) {
    fault(`"${tableName}" is too long for the names of its view and history in SQL`);
  }
  return parts;
}

function readColumns(message: DescMessage, fault: (what: string) => void): Column[] {
  const columns = message.fields.flatMap((field) => {
    const { hidden, path } = getOption(field, options.column);
    const inside = path.flatMap((text) => readPath(field, text, fault) ?? []);
    return hidden ? inside : [columnOf(field), ...inside];
  });
  for (const column of columns) {
    if (reservedColumns.has(column.name)) fault(`field "${column.name}" is a reserved column`);
    requireIdentifier(column.name, fault);
  }
  requireDistinct(
    "two columns have the name",
    columns.map((column) => column.name),
    fault,
  );
  return columns;
}

function readPath(field: DescField, text: string, fault: (what: string) => void): Column | undefined {
  const steps: [DescField, ...DescField[]] = [field];
  for (const name of text.split(".")) {
    const inside = steps.at(-1);
    const message = inside?.fieldKind === "message" ? inside.message : undefined;
    if (message === undefined) {
      fault(`path "${text}" of "${field.name}" goes through "${inside?.name}", which is no singular message`);
      return undefined;
    }
    const next = message.fields.find((candidate) => candidate.name === name);
    if (next === undefined || message.typeName.startsWith("google.protobuf.")) {
      fault(`path "${text}" of "${field.name}" names "${name}", which is no field of ${message.typeName}`);
      return undefined;
    }
    steps.push(next);
  }
  return columnAt(steps);
}

/** What keeps a field from being part of the key. */
function findKeyFault(
  message: DescMessage,
  name: string,
  find: (name: string) => Column | undefined,
): string | undefined {
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field === undefined) return `key names "${name}", which is no field`;
  const scalar = field.fieldKind === "scalar" || field.fieldKind === "enum";
  if (!scalar || hasPresence(field)) return `key field "${name}" is not a plain scalar`;
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES) {
    return `key field "${name}" is bytes, which make no key`;
  }
  return find(name) === undefined ? `key names "${name}", which is no column` : undefined;
}

/** Postgres would cut the name silently, and two of them to the same one. */
function requireIdentifier(name: string, fault: (what: string) => void): void {
  if (!fitsIdentifier(name)) fault(`"${name}" is too long for a name in SQL`);
}

function requireDistinct(what: string, names: readonly string[], fault: (what: string) => void): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fault(`${what} "${twice}"`);
}

function formatFault(message: DescMessage, what: string): string {
  return `${message.file.name}.proto: ${message.typeName}: ${what}.`;
}
