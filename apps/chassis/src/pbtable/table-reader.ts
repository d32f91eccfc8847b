import type { DescMessage, JsonValue, Message, MessageShape, Registry } from "@bufbuild/protobuf";
import type { QueryResult, QueryResultRow } from "pg";
import { decodePlain } from "../schema/json/decode-plain.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { Table } from "../schema/table/table.ts";
import type { SqlClient, Statement } from "../sql/sql-client.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { TableHistory } from "./history/table-history.ts";
import {
  describeScan,
  type ListOptions,
  type ListQuery,
  type Page,
  placeOf,
  type RowScan,
  readPageSize,
  readScan,
  type ScannedRow,
  scanStatement,
} from "./list/list-rows.ts";
import { formatPageToken, type PageEnd, parsePageToken } from "./list/page-token.ts";
import { noteVersion, versionOf } from "./message-version.ts";
import {
  absentRow,
  keyColumns,
  type NoteRead,
  printKey,
  toRowVersion,
  statementsOf as versionStatementsOf,
} from "./seen-row.ts";
import { Stored } from "./stored.ts";
import { keyValues, type TableKey } from "./table-key.ts";
import { statementsOf } from "./table-statements.ts";

/** A stored row as text and version. */
export interface StoredRow {
  readonly pb: string;
  readonly version: bigint;
}

/** And which row it was. */
interface NotedRow extends StoredRow {
  readonly writer: string;
}

/** Rows that a stream reads at once. */
const streamPageSize = 500;

/**
 * Reads of one pbtable. Messages come back decoded; fields this build does not know are skipped. Every method throws
 * `invalid_argument` for a key that is none of the table's.
 */
export class TableReader<D extends DescMessage> {
  readonly table: Table;
  protected readonly client: SqlClient;
  protected readonly registry: Registry;
  readonly #noteRead: NoteRead | undefined;

  /** @param noteRead hears of what `get`, `getStored` and `getMany` have found under each of their keys */
  constructor(table: Table, client: SqlClient, registry: Registry, noteRead?: NoteRead) {
    this.table = table;
    this.client = client;
    this.registry = registry;
    this.#noteRead = noteRead;
  }

  /** The row with this key, or undefined. One query. A decision that reads by it rests on the row being the same still. */
  async get(key: TableKey): Promise<MessageShape<D> | undefined> {
    const row = await this.read(keyValues(this.table, key));
    return row === undefined ? undefined : this.decodeRow(row);
  }

  /** The row with this key as it is stored, or undefined: a query may answer with it, which parses nothing. One query. */
  async getStored(key: TableKey): Promise<Stored<D> | undefined> {
    const row = await this.read(keyValues(this.table, key));
    return row === undefined ? undefined : new Stored(this.message, row, this.registry);
  }

  /**
   * As `get`, of a row that a decision does not rest on: it may have changed by the time that the decision is written.
   * For rows that change all the time, where the write itself looks again at what counts. In queries the same as `get`.
   */
  async peek(key: TableKey): Promise<MessageShape<D> | undefined> {
    const row = await this.readUnnoted(keyValues(this.table, key));
    return row === undefined ? undefined : this.decodeRow(row);
  }

  /** The rows that exist of these keys, each once, in no order. One query. */
  async getMany(keys: readonly TableKey[]): Promise<MessageShape<D>[]> {
    if (keys.length === 0) return [];
    const parts = new Map(
      keys.map((key) => {
        const part = keyValues(this.table, key);
        return [printKey(part), part] as const;
      }),
    );
    if (this.#noteRead !== undefined) return this.getManyNoted(parts, this.#noteRead);
    const values = keyColumns(this.table, [...parts.values()]);
    const rows = await this.run<StoredRow>({ ...statementsOf(this.table).getMany, values });
    return rows.map((row) => this.decodeRow(row));
  }

  /**
   * A page of the rows that `where` takes, in the order that `orderBy` says, ended by the key. One query.
   *
   * The next page begins after the last row of this one, wherever that is by then: rows that are inserted, deleted or
   * moved meanwhile make no other row come twice or not at all.
   *
   * @throws QuartetError `invalid_argument` naming a field that cannot be filtered or ordered by like that, `page_size`
   * when it is negative, `page_token` when it is damaged or of another filter or order.
   */
  async list(options: ListOptions<D> = {}): Promise<Page<D>> {
    const pageSize = readPageSize(options.pageSize);
    const scan = readScan(this.table, options, this.registry);
    const query = describeScan(scan);
    const end = options.pageToken ? parsePageToken(query, options.pageToken) : undefined;
    const rows = await this.scan(scan, pageSize + 1, end);
    const page = rows.slice(0, pageSize);
    const last = rows.length > pageSize ? page.at(-1) : undefined;
    return {
      messages: page.map((row) => this.decodeRow(row)),
      nextPageToken: last === undefined ? "" : formatPageToken(query, placeOf(scan, last)),
    };
  }

  /**
   * All rows that `where` takes, in the order that `orderBy` says, ended by the key; some hundreds are read at a time.
   *
   * Between those reads no connection and no snapshot is held, so every read sees the rows as they are then. Stopping
   * early costs nothing.
   *
   * @throws QuartetError `invalid_argument` as `list` does.
   */
  async *stream(query: ListQuery<D> = {}): AsyncGenerator<MessageShape<D>, void, undefined> {
    const scan = readScan(this.table, query, this.registry);
    let end: PageEnd | undefined;
    for (;;) {
      const rows = await this.scan(scan, streamPageSize, end);
      for (const row of rows) yield this.decodeRow(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < streamPageSize) return;
      end = placeOf(scan, last);
    }
  }

  /**
   * Reads of what the table's history keeps: a row's changes, and rows as they were.
   *
   * @throws QuartetError `unimplemented` when the table keeps no history.
   */
  history(): TableHistory<D> {
    return new TableHistory(this.table, this.client, this.registry);
  }

  /**
   * The version of the row that this very message object was read from or written to. Undefined for any other message,
   * copies included.
   */
  versionOf(message: Message): bigint | undefined {
    return versionOf(message);
  }

  /** Decodes the `pb` column of a row that Kysely read. */
  decode(pb: unknown): MessageShape<D> {
    // The column is jsonb, so whatever pg parsed from it is JSON.
    const json = pb as JsonValue;
    return decodePlain(this.message, json) ?? decodeStoredJson(this.message, json, this.registry);
  }

  protected get message(): D {
    // A reader is only ever made for the descriptor that its table was read from.
    return this.table.message as D;
  }

  protected decodeRow(row: StoredRow): MessageShape<D> {
    return noteVersion(this.decode(JSON.parse(row.pb)), BigInt(row.version));
  }

  protected async run<Row extends QueryResultRow>(statement: Statement): Promise<Row[]> {
    return (await this.query<Row>(statement)).rows;
  }

  protected async query<Row extends QueryResultRow>(statement: Statement): Promise<QueryResult<Row>> {
    try {
      return await this.client.query<Row>(statement);
    } catch (error) {
      throw translateDatabaseError(error);
    }
  }

  private async read(values: unknown[]): Promise<StoredRow | undefined> {
    if (this.#noteRead === undefined) return this.readUnnoted(values);
    const [row] = await this.run<NotedRow>({ ...versionStatementsOf(this.table).get, values });
    this.#noteRead(this.table, printKey(values), row === undefined ? absentRow : toRowVersion(row));
    return row;
  }

  private async readUnnoted(values: unknown[]): Promise<StoredRow | undefined> {
    const [row] = await this.run<StoredRow>({ ...statementsOf(this.table).get, values });
    return row;
  }

  private async getManyNoted(
    parts: ReadonlyMap<string, readonly unknown[]>,
    note: NoteRead,
  ): Promise<MessageShape<D>[]> {
    const values = keyColumns(this.table, [...parts.values()]);
    const statement = { ...versionStatementsOf(this.table).getMany, values };
    const rows = await this.run<NotedRow & { readonly place: number }>(statement);
    const found = new Map(rows.map((row) => [row.place, row]));
    for (const [index, key] of [...parts.keys()].entries()) {
      const row = found.get(index + 1);
      note(this.table, key, row === undefined ? absentRow : toRowVersion(row));
    }
    return rows.map((row) => this.decodeRow(row));
  }

  private scan(scan: RowScan, limit: number, end: PageEnd | undefined): Promise<ScannedRow[]> {
    return this.run<ScannedRow>(scanStatement(scan, limit, end));
  }
}
