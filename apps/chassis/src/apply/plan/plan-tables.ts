import { addColumnsSql, createIndexSql, createTableSql, isKeyColumn } from "../../pbtable/table-ddl.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Column } from "../../schema/table/column.ts";
import type { Table } from "../../schema/table/table.ts";
import type { TableIndex } from "../../schema/table/table-index.ts";
import type { TableState } from "../catalog/read-catalog.ts";
import type { World } from "../catalog/read-world.ts";
import type { TableShape } from "../catalog/table-shape.ts";
import { catalogOnly, noLock, type Step } from "../step.ts";

/** The step that makes a table or gives it its missing columns; a new table gets its indexes with it. */
export function planTable({ table, shape }: TableState): readonly Step[] {
  if (shape === undefined) return [createStep(table)];
  const known = new Set(shape.columns.map((column) => column.name));
  const added = table.columns.filter((column) => !known.has(column.name) && !isKeyColumn(table, column));
  return added.length === 0 ? [] : [columnsStep(table, added)];
}

/** The steps for a table's missing indexes, and those whose build was interrupted. */
export function planIndexes({ table, shape }: TableState, world: World): readonly Step[] {
  if (shape === undefined) return [];
  return table.indexes.flatMap((index) => {
    const found = shape.indexes.find(({ name }) => name === index.name);
    if (found?.valid) return [];
    if (found !== undefined) return [dropStep(table, index), buildStep(table, index, shape)];
    const taken = world.relations.has(`${table.schemaName}.${index.name}`);
    return taken ? [] : [buildStep(table, index, shape)];
  });
}

function createStep(table: Table): Step {
  const indexes = table.indexes.map((index) => createIndexSql(table, index, "at once"));
  return {
    what: `table ${table.name}`,
    sql: [createTableSql(table), ...indexes].join(";\n"),
    lock: noLock,
    duration: catalogOnly,
  };
}

function columnsStep(table: Table, columns: readonly Column[]): Step {
  const names = columns.map((column) => column.name).join(", ");
  return {
    what: `column${columns.length > 1 ? "s" : ""} ${names} of ${table.name}`,
    sql: addColumnsSql(table, columns),
    lock: `ACCESS EXCLUSIVE on ${table.sqlName}: holds up who reads or writes it`,
    duration: `${catalogOnly}, nothing is rewritten`,
    locks: { relation: table.sqlName, mode: "access exclusive" },
  };
}

const gentleLock = (table: Table) =>
  `SHARE UPDATE EXCLUSIVE on ${table.sqlName}: reads and writes go on; vacuum and other changes of the table wait`;

function buildStep(table: Table, index: TableIndex, shape: TableShape): Step {
  return {
    what: `index ${index.name} of ${table.name}`,
    sql: createIndexSql(table, index),
    lock: gentleLock(table),
    duration: buildTime(shape),
    index: indexIdentity(table, index),
  };
}

function dropStep(table: Table, index: TableIndex): Step {
  const name = indexIdentity(table, index);
  return {
    what: `removal of ${index.name} of ${table.name}, whose build did not end`,
    sql: `drop index concurrently if exists ${name}`,
    lock: gentleLock(table),
    duration: "milliseconds, once every transaction that is older has ended",
    index: name,
  };
}

/** Quoted name of an index, with its schema. */
export function indexIdentity(table: Table, index: TableIndex): string {
  return `${quoteIdentifier(table.schemaName)}.${quoteIdentifier(index.name)}`;
}

/** Rows of some hundred bytes that one second scans and sorts, both scans counted; measured on two busy cores. */
const rowsPerSecond = 150_000;

/** A table that was never analysed is taken to have rows of some hundred bytes. */
const rowsPerPage = 20;

function buildTime(shape: TableShape): string {
  const rows = Math.round(shape.rows < 0 ? shape.pages * rowsPerPage : shape.rows);
  const seconds = rows / rowsPerSecond;
  const time =
    seconds < 1
      ? "about a second"
      : seconds < 100
        ? `about ${Math.ceil(seconds)} seconds`
        : `about ${Math.ceil(seconds / 60)} minutes`;
  const scanned = `scans ~${rows.toLocaleString("en-US")} rows twice`;
  return `${time}, and as long as transactions that are older last: ${scanned}; reads and writes go on`;
}
