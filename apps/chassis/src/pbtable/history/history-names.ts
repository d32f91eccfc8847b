import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Table } from "../../schema/table/table.ts";

/** Columns of a history beside the key's and `version`. */
const columnNames = [
  "version_before",
  "operation",
  "changed_at",
  "login",
  "principal",
  "operation_id",
  "patch",
  "undo",
  "place",
] as const;

type HistoryColumn = (typeof columnNames)[number];

/** Quoted names of what belongs to a pbtable's history. */
export interface HistoryNames {
  readonly table: string;
  readonly defaultPartition: string;
  readonly asOf: string;
  partition(suffix: string): string;
  /** By what they are; one whose name is a key column's has `_` after it. */
  readonly column: Readonly<Record<HistoryColumn, string>>;
}

export function historyNames(table: Table): HistoryNames {
  const named = (suffix: string) =>
    `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(`${table.tableName}_${suffix}`)}`;
  const keys = new Set(table.key.map((column) => column.name));
  const columns = columnNames.map((name) => [name, quoteIdentifier(freeName(name, keys))] as const);
  return {
    table: named("history"),
    defaultPartition: named("history_default"),
    asOf: named("as_of"),
    partition: (suffix) => named(`history_${suffix}`),
    // Made of all the names, so it has them all.
    column: Object.fromEntries(columns) as Record<HistoryColumn, string>,
  };
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? freeName(`${name}_`, taken) : name;
}
