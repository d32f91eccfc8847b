import { createHash } from "node:crypto";
import { type DescMessage, getOption } from "@bufbuild/protobuf";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { IndexKind, type IndexOptions } from "../../gen/quartet/v1/options_pb.ts";
import { fitsIdentifier, quoteIdentifier } from "../identifier.ts";
import type { Column } from "./column.ts";
import { readCondition } from "./index-condition.ts";
import { maxIndexColumns } from "./read-key.ts";
import { inTable, type ReportFault } from "./schema-fault.ts";

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

/** What an index may be made of. */
interface IndexSource {
  readonly message: DescMessage;
  readonly tableName: string;
  readonly columns: readonly Column[];
  readonly key: readonly Column[];
}

type Fault = (what: string) => void;

/** Reads every `index` of the table option. */
export function readIndexes(source: IndexSource, report: ReportFault): readonly TableIndex[] {
  const { index: all } = getOption(source.message, options.table);
  const names = new Set<string>();
  return all.map((option, position) => {
    const fault = (what: string) => report(what, placeOfIndex(source.message, position));
    const index = readIndex(source, option, fault);
    if (names.has(index.name)) {
      fault(
        `two indexes have the name "${index.name}": the same fields, or names that read the same when joined`,
      );
    }
    names.add(index.name);
    return index;
  });
}

/** Where the message says its index number `position`. */
export function placeOfIndex(message: DescMessage, position: number) {
  return inTable(message, options.TableOptionsSchema.field.index.number, position);
}

function readIndex(source: IndexSource, option: IndexOptions, fault: Fault): TableIndex {
  const parts = option.field.flatMap((text) => readPart(source, text, fault) ?? []);
  requireParts(option, parts, fault);
  const method = option.kind === IndexKind.GIN ? "gin" : "btree";
  if (method === "gin") requireGin(option, parts, fault);
  else requireBtree(parts, fault);
  const conditions = option.where.flatMap((condition) => {
    const column = source.columns.find(({ name }) => name === condition.field);
    const read = readCondition(condition, column, column && valueIn(source, column));
    if ("sql" in read) return read.sql;
    fault(read.fault);
    return [];
  });
  return {
    name: indexName(source.tableName, option, parts),
    parts,
    unique: option.unique,
    method,
    where: conditions.length > 0 ? conditions.join(" and ") : undefined,
  };
}

/** Reads "column", "column asc" or "column desc". */
function readPart({ message, columns }: IndexSource, text: string, fault: Fault): IndexPart | undefined {
  const [name = "", order, ...rest] = text.split(" ");
  if (rest.length > 0 || (order !== undefined && order !== "asc" && order !== "desc")) {
    fault(`index names "${text}", which is not "column", "column asc" or "column desc"`);
    return undefined;
  }
  const column = columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return { column, descending: order === "desc" };
  const hidden = message.fields.some((field) => field.name === name);
  fault(`index names "${name}", which is ${hidden ? "hidden and " : ""}no column`);
  return undefined;
}

function requireParts(option: IndexOptions, parts: readonly IndexPart[], fault: Fault): void {
  if (option.field.length === 0) fault("an index needs a field");
  if (option.field.length > maxIndexColumns) {
    fault(`the index has ${option.field.length} columns, and Postgres allows ${maxIndexColumns}`);
  }
  const columns = parts.map(({ column }) => column);
  const twice = columns.find((column, position) => columns.indexOf(column) < position);
  if (twice !== undefined) fault(`an index names "${twice.name}" twice`);
}

function requireGin(option: IndexOptions, parts: readonly IndexPart[], fault: Fault): void {
  if (option.unique) fault("a GIN index cannot be unique");
  for (const { column, descending } of parts) {
    if (column.sqlType !== "jsonb") {
      fault(
        `a GIN index names "${column.name}", which is ${column.sqlType}: it takes repeated, map and message fields`,
      );
    }
    if (descending) fault(`a GIN index has no order: "${column.name} desc"`);
  }
}

function requireBtree(parts: readonly IndexPart[], fault: Fault): void {
  for (const { column } of parts) {
    if (column.sqlType !== "jsonb") continue;
    fault(`an index names "${column.name}", which is jsonb: give the index kind: INDEX_KIND_GIN`);
  }
}

/** Postgres plans with the expression of a virtual column, and with a stored column itself. */
function valueIn({ key }: IndexSource, column: Column): string {
  const stored = key.includes(column) && fitsIdentifier(column.name);
  return stored ? quoteIdentifier(column.name) : column.expression;
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
  return fitsIdentifier(name) ? name : `${beginningOf(name, 40)}_${hashOf(name, 12)}_${suffix}`;
}

/** As many whole characters of a text as fit. */
function beginningOf(text: string, maxBytes: number): string {
  return new TextDecoder("utf-8").decode(Buffer.from(text).subarray(0, maxBytes)).replace(/\uFFFD+$/, "");
}

function hashOf(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}

function printBigint(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
