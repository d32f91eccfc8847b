import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { fitsIdentifier, quoteIdentifier } from "../identifier.ts";
import type { Column } from "./column.ts";
import { reportJsonFaults } from "./json-faults.ts";
import { maxIndexColumns, readKey } from "./read-key.ts";
import { inTable, type ReportFault, refuseFaults, type SchemaFault } from "./schema-fault.ts";
import { readColumns } from "./table-columns.ts";
import { readIndexes, type TableIndex } from "./table-index.ts";
import { readTableName } from "./table-name.ts";

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

/** What a message says of the table it wants to be, and all that is wrong with it. */
export interface ReadTable {
  /** Whole when there are no faults. */
  readonly table: Table;
  readonly faults: readonly SchemaFault[];
}

/** The primary key of a history is the table's, the order of the changes and their time. */
const historyKeyColumns = 2;

const tables = new WeakMap<DescMessage, Table>();

/** True when the message carries `option (quartet.v1.table)`. */
export function isTable(message: DescMessage): boolean {
  return hasOption(message, options.table);
}

/**
 * Reads the table that a message is. The result is computed once per descriptor.
 *
 * @throws QuartetError `invalid_argument` with everything that keeps it from being a table, one a line, as
 * `shop/v1/orders.proto: shop.v1.Order: a table needs a key.`
 */
export function tableOf(message: DescMessage): Table {
  const { table, faults } = readTable(message);
  refuseFaults(faults);
  return table;
}

/** Reads the table that a message wants to be. Never throws. */
export function readTable(message: DescMessage): ReadTable {
  const known = tables.get(message);
  if (known !== undefined) return { table: known, faults: [] };
  const faults: SchemaFault[] = [];
  const table = buildTable(message, (what, place) => faults.push({ what, place }));
  if (faults.length === 0) tables.set(message, table);
  return { table, faults };
}

function buildTable(message: DescMessage, report: ReportFault): Table {
  const option = getOption(message, options.table);
  const { schemaName, tableName } = readTableName(message, option.name, report);
  const columns = readColumns(message, report);
  const key = readKey(message, option.key, columns, report);
  reportJsonFaults(message, report);
  return {
    message,
    schemaName,
    tableName,
    name: option.name,
    sqlName: [schemaName, tableName].every(fitsIdentifier)
      ? `${quoteIdentifier(schemaName)}.${quoteIdentifier(tableName)}`
      : "",
    viewName: `${option.name}_view`,
    key,
    columns,
    indexes: readIndexes({ message, tableName, columns, key }, report),
    history: readHistory(message, key, report),
    publish: option.publish,
  };
}

function readHistory(
  message: DescMessage,
  key: readonly Column[],
  report: ReportFault,
): TableHistory | undefined {
  const { history, historyRetention: retention } = getOption(message, options.table);
  const fields = options.TableOptionsSchema.field;
  const historyPlace = inTable(message, fields.history.number);
  const place = inTable(message, fields.historyRetention.number);
  if (retention !== undefined && !history) report("history_retention is set, history is not", place);
  if (retention !== undefined && retention.seconds <= 0n) {
    report("history_retention is not positive", place);
  }
  if (!history) return undefined;
  const mostKeys = maxIndexColumns - historyKeyColumns;
  if (key.length > mostKeys) {
    report(`the key has ${key.length} columns, and a history takes ${mostKeys}`, historyPlace);
  }
  return { retentionSeconds: retention?.seconds };
}
