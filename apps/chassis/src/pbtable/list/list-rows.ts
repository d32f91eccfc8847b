import type { DescMessage, MessageShape, Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import { quoteIdentifier } from "../../schema/identifier.ts";
import type { Table } from "../../schema/table/table.ts";
import type { Statement } from "../../sql/sql-client.ts";
import { nameStatement } from "../table-statements.ts";
import { Bindings } from "./bindings.ts";
import type { Filter } from "./filter.ts";
import { conditionSql, type FilterCondition, readFilter } from "./filter-conditions.ts";
import { conditionsAfter } from "./keyset.ts";
import { type OrderBy, type OrderPart, readOrder } from "./order-by.ts";
import type { PageEnd } from "./page-token.ts";

/** Which rows, in which order: by key when nothing else is said. */
export interface ListQuery<D extends DescMessage> {
  readonly where?: Filter<D>;
  readonly orderBy?: OrderBy<D> | readonly OrderBy<D>[];
}

/** A page of a list. */
export interface ListOptions<D extends DescMessage> extends ListQuery<D> {
  /** Rows at most. 0: 100. More than 1000 are 1000. */
  readonly pageSize?: number;
  /** `nextPageToken` of the page before. Empty: the first page. */
  readonly pageToken?: string;
}

/** Rows of a list, and how to go on. */
export interface Page<D extends DescMessage> {
  readonly messages: MessageShape<D>[];
  /** Empty at the end of the list. */
  readonly nextPageToken: string;
}

const defaultPageSize = 100;
const maxPageSize = 1000;

/** @throws QuartetError `invalid_argument` for what is no number of rows. */
export function readPageSize(pageSize = 0): number {
  if (!Number.isInteger(pageSize) || pageSize < 0) {
    throw new QuartetError("invalid_argument", `page_size is ${pageSize}, not 0 to ${maxPageSize}.`, {
      field: "page_size",
    });
  }
  return Math.min(pageSize || defaultPageSize, maxPageSize);
}

/** A query that was checked against its table. */
export interface RowScan {
  readonly table: Table;
  readonly conditions: readonly FilterCondition[];
  readonly order: readonly OrderPart[];
}

/** @throws QuartetError `invalid_argument` naming a field that cannot be filtered or ordered by like that. */
export function readScan<D extends DescMessage>(
  table: Table,
  { where, orderBy }: ListQuery<D>,
  registry: Registry,
): RowScan {
  return {
    table,
    conditions: readFilter(table, where ?? {}, registry),
    order: readOrder(table, orderBy),
  };
}

/** A spelling of the query, the same in every build: for page tokens. */
export function describeScan({ table, conditions, order }: RowScan): string {
  const filter = conditions.map(({ column, operator, value }) => [column.name, operator, value]);
  return JSON.stringify([
    table.name,
    filter,
    order.map(({ column, descending }) => [column.name, descending]),
  ]);
}

/** A row of a scan. */
export type ScannedRow = { readonly pb: string; readonly version: bigint } & {
  readonly [Name in `at${number}`]: string | null;
};

/** Where a row is in the order of its scan. */
export function placeOf({ order }: RowScan, row: ScannedRow): PageEnd {
  return order.map((_, index) => row[`at${index}`] ?? null);
}

/**
 * Limits that are part of the text: usual page sizes and the row that tells whether there is another page, and those of
 * streams. Postgres plans a statement with a bound limit anew each time (it cannot know that the limit is small),
 * which costs a page of a hundred rows a fifth; but every limit in the text is another statement to keep.
 */
const usualLimits: ReadonlySet<number> = new Set([11, 21, 26, 51, 101, 201, 251, 500, 501, 1001]);

/**
 * The statement that reads the first `limit` rows of a scan, or those after `end`.
 *
 * What is after `end` may be several ranges. Each is read by a query of its own with the limit in it, so that an index
 * on the order is entered at the right place and left after a page, wherever in the table that is.
 */
export function scanStatement(scan: RowScan, limit: number, end?: PageEnd): Statement {
  const bindings = new Bindings();
  const filter = scan.conditions.map((condition) => conditionSql(condition, bindings));
  const ranges = end === undefined ? [] : conditionsAfter(scan.order, end, bindings);
  const rows = usualLimits.has(limit) ? String(limit) : bindings.bind(limit, "bigint");
  const [first, ...more] = ranges;
  const select = (range: string | undefined, columns: string) => {
    const conditions = range === undefined ? filter : [...filter, range];
    const where = conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`;
    return `select ${columns} from ${scan.table.sqlName} as stored${where} order by ${orderSql(scan.order)} limit ${rows}`;
  };
  const columns = ["pb::text as pb", "version", ...scan.order.map(placeSql)].join(", ");
  const text =
    more.length === 0
      ? select(first, columns)
      : unionSql(scan.order, rows, (sorted) => ranges.map((range) => select(range, `${columns}, ${sorted}`)));
  return { ...nameStatement(scan.table, text), values: bindings.values };
}

function unionSql(
  order: readonly OrderPart[],
  rows: string,
  selects: (sorted: string) => readonly string[],
): string {
  const sorted = order.map(({ column }, index) => `${quoteIdentifier(column.name)} as by${index}`).join(", ");
  const union = selects(sorted)
    .map((text) => `(${text})`)
    .join(" union all ");
  const places = order.map((_, index) => `at${index}`).join(", ");
  const by = order.map(({ descending }, index) => `by${index}${descending ? " desc" : ""}`).join(", ");
  return `select pb, version, ${places} from (${union}) as page order by ${by} limit ${rows}`;
}

/** Qualified: a bare name would be a column of the result where one is called so. */
function orderSql(order: readonly OrderPart[]): string {
  return order
    .map(({ column, descending }) => `stored.${quoteIdentifier(column.name)}${descending ? " desc" : ""}`)
    .join(", ");
}

/** As text, which is exact: times keep their microseconds, 64-bit and floating point numbers their value. */
function placeSql({ column }: OrderPart, index: number): string {
  return `${quoteIdentifier(column.name)}::text as at${index}`;
}
