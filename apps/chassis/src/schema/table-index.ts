import { createHash } from "node:crypto";
import { type IndexCondition, IndexKind, type IndexOptions } from "../gen/quartet/v1/options_pb.ts";
import type { Column } from "./column.ts";
import { fitsIdentifier, quoteLiteral } from "./identifier.ts";

/** An index of a pbtable beside its primary key. */
export interface TableIndex {
  /** Says what the index is, so that another index has another name and none is ever changed in place. */
  readonly name: string;
  readonly parts: readonly IndexPart[];
  readonly unique: boolean;
  readonly method: "btree" | "gin";
  /** SQL condition of the rows that are indexed. Undefined: all. */
  readonly where: string | undefined;
}

export interface IndexPart {
  readonly column: Column;
  readonly descending: boolean;
}

/**
 * Reads one `index` of the table option.
 *
 * @param find gives the column of a name
 * @param fault gets what is wrong with the index; reading goes on
 */
export function readIndex(
  tableName: string,
  option: IndexOptions,
  find: (name: string) => Column | undefined,
  fault: (what: string) => void,
): TableIndex {
  const parts: IndexPart[] = [];
  for (const text of option.field) {
    const [name = "", order, ...rest] = text.split(" ");
    if (rest.length > 0 || (order !== undefined && order !== "asc" && order !== "desc")) {
      fault(`index names "${text}", which is not "column", "column asc" or "column desc"`);
      continue;
    }
    const column = find(name);
    if (column === undefined) fault(`index names "${name}", which is no column`);
    else parts.push({ column, descending: order === "desc" });
  }
  if (option.field.length === 0) fault("an index needs a field");
  const twice = parts.find(
    ({ column }, index) => parts.findIndex((part) => part.column === column) !== index,
  );
  if (twice !== undefined) fault(`an index names "${twice.column.name}" twice`);
  const conditions = option.where.flatMap((condition) => readCondition(condition, find, fault) ?? []);
  const where = conditions.length > 0 ? conditions.join(" and ") : undefined;
  const method = option.kind === IndexKind.GIN ? "gin" : "btree";
  requireMethod(method, option, parts, fault);
  return {
    name: indexName(tableName, option, parts),
    parts,
    unique: option.unique,
    method,
    where,
  };
}

function requireMethod(
  method: TableIndex["method"],
  option: IndexOptions,
  parts: readonly IndexPart[],
  fault: (what: string) => void,
): void {
  for (const { column, descending } of parts) {
    if (method === "gin" && column.sqlType !== "jsonb") {
      fault(
        `a GIN index names "${column.name}", which is ${column.sqlType}: it takes repeated, map and message fields`,
      );
    }
    if (method === "gin" && descending) fault(`a GIN index has no order: "${column.name} desc"`);
    if (method === "btree" && column.sqlType === "jsonb") {
      fault(`an index names "${column.name}", which is jsonb: give the index kind: INDEX_KIND_GIN`);
    }
  }
  if (method === "gin" && option.unique) fault("a GIN index cannot be unique");
}

function readCondition(
  condition: IndexCondition,
  find: (name: string) => Column | undefined,
  fault: (what: string) => void,
): string | undefined {
  const column = find(condition.field);
  if (column === undefined) {
    fault(`index condition names "${condition.field}", which is no column`);
    return undefined;
  }
  const { test } = condition;
  if (test.case === undefined) {
    fault(`index condition on "${column.name}" says neither equals, not_equals nor is_set`);
    return undefined;
  }
  if (test.case === "isSet") return `${column.expression} is ${test.value ? "not " : ""}null`;
  const literal = literalOf(column, test.value);
  if (literal === undefined) {
    fault(`index condition compares "${column.name}" (${column.sqlType}) with "${test.value}"`);
    return undefined;
  }
  return `${column.expression} ${test.case === "equals" ? "=" : "<>"} ${literal}`;
}

/** A value of a condition as a typed SQL literal; undefined when it is none of the column's. */
function literalOf(column: Column, text: string): string | undefined {
  const { field, sqlType } = column;
  if (field.fieldKind === "enum" && !field.enum.values.some((value) => value.name === text)) return undefined;
  const spelled: Readonly<Record<string, RegExp>> = {
    text: /^/,
    boolean: /^(true|false)$/,
    integer: /^-?\d{1,10}$/,
    bigint: /^-?\d{1,19}$/,
    "numeric(20)": /^\d{1,20}$/,
    real: /^-?\d+(\.\d+)?$/,
    "double precision": /^-?\d+(\.\d+)?$/,
  };
  return spelled[sqlType]?.test(text) ? `${quoteLiteral(text)}::${sqlType}` : undefined;
}

/**
 * `table_field_field_idx` (`_key` when unique). One that is more than its fields (order, kind, condition) carries a
 * hash of the rest; one too long for Postgres is its beginning and a hash of all of it.
 */
function indexName(tableName: string, option: IndexOptions, parts: readonly IndexPart[]): string {
  const suffix = option.unique ? "key" : "idx";
  const plain =
    !parts.some((part) => part.descending) && option.where.length === 0 && option.kind < IndexKind.GIN;
  const fields = parts.map(({ column }) => column.name);
  const rest = plain
    ? []
    : [hashOf(JSON.stringify([option.field, option.kind, option.where], printBigint), 6)];
  const name = [tableName, ...fields, ...rest, suffix].join("_");
  return fitsIdentifier(name) ? name : `${name.slice(0, 40)}_${hashOf(name, 12)}_${suffix}`;
}

function hashOf(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}

function printBigint(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
