import {
  create,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import { decodeStoredJson } from "../../schema/json/json.ts";
import type { Table } from "../../schema/table/table.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { translateDatabaseError } from "../../sql/translate-error.ts";
import { type Page, readPageSize } from "../list/list-rows.ts";
import { formatPageToken, parsePageToken } from "../list/page-token.ts";
import { keyValues, type TableKey } from "../table-key.ts";
import { type HistoryStatements, historyStatementsOf } from "./history-statements.ts";

/** What one change did to a row's JSON, by top-level keys, or what undoes it. */
export interface RowPatch {
  readonly set: Readonly<Record<string, JsonValue>>;
  readonly unset: readonly string[];
}

/** One change of a row, as its table's history keeps it. */
export interface RecordedChange {
  /** Rises with every change of the row. */
  readonly place: bigint;
  /** Of the row after the change; of a deleted row, its last one. */
  readonly version: bigint;
  readonly operation: "insert" | "update" | "delete";
  /** To the microsecond. */
  readonly changeTime: Timestamp;
  /** The database login that made the change. */
  readonly login: string;
  /** Who asked for it and by which operation, as the login says. Undefined: it did not come through a command. */
  readonly principal: string | undefined;
  readonly operationId: string | undefined;
  /** Undefined: the row was deleted. */
  readonly patch: RowPatch | undefined;
  /** Undefined: the row was inserted. */
  readonly undo: RowPatch | undefined;
}

/**
 * Reads what a pbtable's history keeps.
 *
 * A row as of a time is the row of now with all later changes undone. So a change counts from the time it was made at,
 * not from its commit; what was written by a transaction that is still open at that time shows once it has committed.
 * Of changes made before the history was switched on nothing is known: earlier times show the rows as it found them.
 */
export class TableHistory<D extends DescMessage> {
  readonly table: Table;
  readonly #client: SqlClient;
  readonly #registry: Registry;

  /** @throws QuartetError `unimplemented` when the table keeps no history. */
  constructor(table: Table, client: SqlClient, registry: Registry) {
    if (table.history === undefined) {
      throw new QuartetError("unimplemented", `${table.name} keeps no history.`, {
        fix: `option (quartet.v1.table) = { … history: true } on ${table.message.typeName}, then quartet apply.`,
      });
    }
    this.table = table;
    this.#client = client;
    this.#registry = registry;
  }

  /**
   * Changes of a row, newest first; also of one that is deleted. One query.
   *
   * @param options.limit at most so many; 50 unless given, 1000 at most
   * @param options.before only those before the change with this `place`: the last one of the page before
   */
  async changesOf(
    key: TableKey,
    options: { readonly limit?: number; readonly before?: bigint } = {},
  ): Promise<readonly RecordedChange[]> {
    const page = [options.before?.toString() ?? null, readPageSize(options.limit ?? 50)];
    const rows = await this.#run<ChangeRow>("changesOf", [...keyValues(this.table, key), ...page]);
    return rows.map(readChange);
  }

  /**
   * The row with this key as it was at a time, or undefined when there was none. One query.
   *
   * A `Date` is that very millisecond: a change some microseconds later is not in it. Give a change's `changeTime` to
   * see the row right after it.
   *
   * @throws QuartetError `invalid_argument` for a time whose history was dropped by `quartet prune`.
   */
  async asOf(key: TableKey, time: Date | Timestamp): Promise<MessageShape<D> | undefined> {
    const rows = await this.#run<PastRow>("asOf", [...keyValues(this.table, key), formatTime(time)]);
    const [row] = this.#requireKept(rows, time);
    return row?.pb == null ? undefined : this.#decode(row.pb);
  }

  /**
   * All rows as they were at a time, in the order of their keys, page by page. One query each; pages of one time agree
   * with each other whatever is written meanwhile. A page that is not the last one may have fewer messages than asked
   * for, or none.
   *
   * @throws QuartetError `invalid_argument` for a time whose history was dropped by `quartet prune`, and for a token of
   * another table or time.
   */
  async listAsOf(
    time: Date | Timestamp,
    options: { readonly pageSize?: number; readonly pageToken?: string } = {},
  ): Promise<Page<D>> {
    const [at, pageSize] = [formatTime(time), readPageSize(options.pageSize)];
    const query = `${this.table.name} as of ${at}`;
    const rows = options.pageToken
      ? await this.#run<ListedRow>("nextPage", [...parsePageToken(query, options.pageToken), at, pageSize])
      : await this.#run<ListedRow>("firstPage", [at, pageSize]);
    const kept = this.#requireKept(rows, time).filter((row) => row.key !== null);
    const end = kept.length < pageSize ? undefined : kept.at(-1)?.key;
    return {
      messages: kept.flatMap((row) => (row.pb === null ? [] : [this.#decode(row.pb)])),
      nextPageToken: end ? formatPageToken(query, end) : "",
    };
  }

  #decode(pb: string): MessageShape<D> {
    // A history is only ever made for the descriptor that its table was read from.
    return decodeStoredJson(this.table.message, JSON.parse(pb), this.#registry) as MessageShape<D>;
  }

  /** Every statement that goes back in time says since when that can be done, in its every row. */
  #requireKept<Row extends PastRow>(rows: readonly Row[], time: Date | Timestamp): readonly Row[] {
    const since = rows[0]?.too_early_for;
    if (since == null) return rows;
    throw new QuartetError(
      "invalid_argument",
      `${formatTime(time)} is out of range: the history of ${this.table.name} is kept since ${since}.`,
      { field: "time" },
    );
  }

  async #run<Row extends object>(statement: keyof HistoryStatements, values: unknown[]): Promise<Row[]> {
    const text = historyStatementsOf(this.table)[statement];
    try {
      return (await this.#client.query<Row>({ ...text, values })).rows;
    } catch (error) {
      throw translateDatabaseError(error);
    }
  }
}

interface PastRow {
  readonly pb: string | null;
  /** The boundary, RFC 3339, when the time asked for is before it. */
  readonly too_early_for: string | null;
}

interface ListedRow extends PastRow {
  /** The key's values as text. */
  readonly key: string[] | null;
}

interface ChangeRow {
  readonly place: bigint;
  readonly version: bigint;
  readonly operation: RecordedChange["operation"];
  readonly seconds: bigint;
  readonly micros: number;
  readonly login: string;
  readonly principal: string | null;
  readonly operation_id: string | null;
  readonly patch: RowPatch | null;
  readonly undo: RowPatch | null;
}

function readChange(row: ChangeRow): RecordedChange {
  return {
    place: row.place,
    version: row.version,
    operation: row.operation,
    changeTime: create(TimestampSchema, { seconds: row.seconds, nanos: row.micros * 1_000 }),
    login: row.login,
    principal: row.principal ?? undefined,
    operationId: row.operation_id ?? undefined,
    patch: row.patch ?? undefined,
    undo: row.undo ?? undefined,
  };
}

/** The years 0001 to 9999. */
const [firstMs, lastMs] = [-62_135_596_800_000, 253_402_300_799_999];

/** RFC 3339 to the microsecond, cut and not rounded: no change after the time may get in. */
function formatTime(time: Date | Timestamp): string {
  const ms = time instanceof Date ? time.getTime() : Number(time.seconds) * 1_000;
  // What has no four-digit year is no RFC 3339, and an invalid Date not even a number.
  if (!(ms >= firstMs && ms <= lastMs)) {
    throw new QuartetError("invalid_argument", "The time is not of the years 0001 to 9999.", {
      field: "time",
    });
  }
  const { seconds, nanos } = time instanceof Date ? timestampFromDate(time) : time;
  const whole = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  return `${whole}.${String(Math.floor(nanos / 1_000)).padStart(6, "0")}Z`;
}
