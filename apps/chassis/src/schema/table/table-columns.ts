import { type DescField, type DescMessage, getOption } from "@bufbuild/protobuf";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { fitsIdentifier } from "../identifier.ts";
import { type Column, columnAt, columnOf } from "./column.ts";
import { at, type FaultPlace, inColumn, inTable, type ReportFault } from "./schema-fault.ts";
import { tooLong } from "./table-name.ts";

/** Columns a pbtable has beside its fields, and those Postgres gives every table. */
const reservedColumns: ReadonlySet<string> = new Set([
  ...["pb", "version"],
  ...["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"],
  // An object of JavaScript cannot hold a value by this name, so no row could be read.
  "__proto__",
]);

/**
 * Postgres takes 1600 columns of a table, but PL/pgSQL, which writes through the view, 1024. The view keeps columns that
 * the protos no longer have, so some room is left for those.
 */
const maxColumns = 1000;
const ownColumns = ["pb", "version"];

interface PlacedColumn {
  readonly column: Column;
  readonly place: FaultPlace;
}

/** The columns of a message's fields, in their order, each followed by the path columns it asks for. */
export function readColumns(message: DescMessage, report: ReportFault): readonly Column[] {
  const placed = message.fields.flatMap((field) => readField(field, report));
  for (const { column, place } of placed) {
    if (reservedColumns.has(column.name)) report(`field "${column.name}" is a reserved column`, place);
    if (!fitsIdentifier(column.name)) report(tooLong("column", column.name), place);
  }
  requireDistinct(placed, report);
  const count = placed.length + ownColumns.length;
  if (count > maxColumns) {
    const what = `the table has ${count} columns, and a pbtable takes ${maxColumns}`;
    report(`${what}: hide some with option (quartet.v1.column).hidden`, inTable(message));
  }
  return placed.map(({ column }) => column);
}

/** True for a column of something inside a message of the row. */
export function isPathColumn(column: Column): boolean {
  return column.path.length > 1;
}

function readField(field: DescField, report: ReportFault): readonly PlacedColumn[] {
  const { hidden, path } = getOption(field, options.column);
  const own = hidden ? [] : [{ column: columnOf(field), place: at(field) }];
  const inside = path.flatMap((text, index) => {
    const place = inColumn(field, options.ColumnOptionsSchema.field.path.number, index);
    const column = readPath(field, text, (what) => report(what, place));
    return column === undefined ? [] : [{ column, place }];
  });
  return [...own, ...inside];
}

function readPath(field: DescField, text: string, fault: (what: string) => void): Column | undefined {
  const steps: [DescField, ...DescField[]] = [field];
  for (const name of text.split(".")) {
    const inside = steps.at(-1) ?? field;
    const message = inside.fieldKind === "message" ? inside.message : undefined;
    if (message === undefined) {
      fault(`path "${text}" of "${field.name}" goes through "${inside.name}", which is no singular message`);
      return undefined;
    }
    const next = message.fields.find((candidate) => candidate.name === name);
    // The JSON of well-known types is not that of their fields.
    if (next === undefined || message.typeName.startsWith("google.protobuf.")) {
      fault(`path "${text}" of "${field.name}" names "${name}", which is no field of ${message.typeName}`);
      return undefined;
    }
    steps.push(next);
  }
  return columnAt(steps);
}

function requireDistinct(placed: readonly PlacedColumn[], report: ReportFault): void {
  const first = new Map<string, Column>();
  for (const { column, place } of placed) {
    const other = first.get(column.name);
    if (other === undefined) first.set(column.name, column);
    else
      report(`two columns have the name "${column.name}": ${sourceOf(other)} and ${sourceOf(column)}`, place);
  }
}

function sourceOf(column: Column): string {
  return isPathColumn(column) ? `the path ${column.path.join(".")}` : "a field";
}
