import type { JsonValue } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import { quoteIdentifier } from "../../schema/identifier.ts";
import { isJsonMap, own } from "../../schema/json/json-map.ts";
import type { Table } from "../../schema/table/table.ts";
import { checkEvent } from "./check-event.ts";
import { checkStored } from "./check-stored.ts";
import { ColumnSearch } from "./column-search.ts";
import { parseExactJson } from "./exact-json.ts";
import type { DatabaseName, FindingBook, Scope } from "./finding-book.ts";
import type { KnownTypes } from "./known-types.ts";
import { readRows, type StoredRow } from "./read-rows.ts";
import type { Remark } from "./remark.ts";
import { chooseSample } from "./sample.ts";
import { pathOf } from "./stored-shape.ts";
import { readStoredTable, type StoredTable } from "./stored-table.ts";

/** What is checked of a table: its rows as messages of one type, or as events that each name their type. */
export interface TableCheck {
  readonly schema: string;
  readonly table: string;
  /** Column of the message. */
  readonly json: string;
  readonly pbtable?: Table;
  /** Column of the event's type. */
  readonly type?: string;
  /** The event inside a row, as text, and the path of that text. */
  readonly eventOf?: (encoded: JsonValue) => {
    readonly type: string;
    readonly text: string;
    readonly path: string;
  };
}

export interface TableCheckContext {
  readonly pool: Pool;
  readonly database: DatabaseName;
  readonly types: KnownTypes;
  readonly book: FindingBook;
  readonly sampleRows: number | undefined;
  readonly seed: number;
  readonly onProgress?: (table: CheckedTable) => void;
}

/** How much of a table was read. */
export interface CheckedTable {
  readonly database: DatabaseName;
  /** `schema.table`. */
  readonly table: string;
  readonly rows: number;
  /** How many rows are to be read, about. */
  readonly expectedRows: number;
  /** How many rows the table has, about. */
  readonly tableRows: number;
  /** Every row was read, not a sample. */
  readonly whole: boolean;
}

/** Checks the rows of one table. Undefined when the database has no such table. */
export async function runTableCheck(
  context: TableCheckContext,
  check: TableCheck,
): Promise<CheckedTable | undefined> {
  const { pool, database, book } = context;
  const stored = await readStoredTable(pool, check.schema, check.table);
  if (stored === undefined) return undefined;
  const scope: Scope = { database, table: stored.name };
  const refusal = findRefusal(stored, check);
  if (refusal !== undefined) book.addTable(scope, refusal);
  if (refusal?.kind === "unreadable" || !stored.columns.has(check.json) || stored.key.length === 0) {
    return { database, table: stored.name, rows: 0, expectedRows: 0, tableRows: 0, whole: false };
  }
  return await checkRows(context, check, stored);
}

async function checkRows(
  context: TableCheckContext,
  check: TableCheck,
  stored: StoredTable,
): Promise<CheckedTable> {
  const { pool, database, book } = context;
  const sample = await chooseSample(pool, stored, context.sampleRows, context.seed);
  const { expectedRows, tableRows, whole } = sample;
  const scope: Scope = { database, table: stored.name };
  const columns = new ColumnSearch(pool, stored, check.pbtable?.columns ?? []);
  const source = { from: sample.from, key: stored.key, json: check.json };
  let rows = 0;
  const progress = () => ({ database, table: stored.name, rows, expectedRows, tableRows, whole });
  for await (const batch of readRows(
    pool,
    check.type === undefined ? source : { ...source, type: check.type },
  )) {
    for (const row of batch) checkRow(context, check, scope, row);
    for (const { column, row, detail } of await columns.search(batch)) {
      book.add(scope, row.key, [{ kind: "column", path: column.name, detail }]);
    }
    rows += batch.length;
    context.onProgress?.(progress());
  }
  for (const name of columns.exhausted) book.cutShort(scope, name);
  return progress();
}

function checkRow(context: TableCheckContext, check: TableCheck, scope: Scope, row: StoredRow): void {
  const { book, types } = context;
  const { pbtable, eventOf } = check;
  if (pbtable === undefined) {
    const type = row.type ?? "";
    book.add({ ...scope, type }, row.key, checkEvent(type, row.json, types));
    return;
  }
  const { encoded, remarks } = checkStored(pbtable.message, parseExactJson(row.json), types);
  book.add(scope, row.key, remarks);
  if (encoded === undefined) return;
  book.add(scope, row.key, keyRemarks(pbtable, encoded, row.key));
  const event = eventOf?.(encoded);
  if (event === undefined) return;
  const inside = checkEvent(event.type, event.text, types).map((remark) => ({
    ...remark,
    path: remark.path === "" ? event.path : pathOf(event.path, remark.path),
  }));
  book.add({ ...scope, type: event.type }, row.key, inside);
}

/** What of a table keeps its rows from being read, or from being found. */
function findRefusal(stored: StoredTable, check: TableCheck): Remark | undefined {
  if (!stored.readable) {
    const grant = `grant usage on schema ${quoteIdentifier(check.schema)}; grant select on ${stored.sqlName}`;
    return { kind: "unreadable", path: "", detail: `this login may not select from it (${grant})` };
  }
  if (!stored.columns.has(check.json)) {
    return { kind: "shape", path: "", detail: `has no column "${check.json}"` };
  }
  const wanted = (check.pbtable?.key ?? []).map((column) => column.name).join(", ");
  const actual = stored.key.map((column) => column.name).join(", ");
  if (check.pbtable === undefined || wanted === actual) return undefined;
  return { kind: "shape", path: "", detail: `has the primary key (${actual}), this build says (${wanted})` };
}

function keyRemarks(table: Table, encoded: JsonValue, stored: readonly string[]): Remark[] {
  if (table.key.length !== stored.length || !isJsonMap(encoded)) return [];
  return table.key.flatMap(({ field }, index) => {
    const part = own(encoded, field.jsonName);
    const text = stored[index] ?? "";
    if (typeof part === "number" ? Number(text) === part : String(part) === text) return [];
    return [{ kind: "key", path: field.jsonName, detail: "the row's key is not the one in its message" }];
  });
}
