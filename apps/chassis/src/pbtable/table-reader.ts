import type { DescMessage, JsonValue, MessageShape, Registry } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { decodeStoredJson } from "../schema/json.ts";
import type { Table } from "../schema/table.ts";
import type { SqlClient } from "./sql-client.ts";
import { type KeyPart, keyValues, type TableKey } from "./table-key.ts";
import { statementsOf } from "./table-statements.ts";
import { translateDatabaseError } from "./translate-error.ts";

/** A stored row as text and version. */
interface StoredRow {
  readonly pb: string;
  readonly version: bigint;
}

/** Reads of one pbtable. Messages come back decoded; fields this build does not know are skipped. */
export class TableReader<D extends DescMessage> {
  readonly table: Table;
  protected readonly client: SqlClient;
  protected readonly registry: Registry;

  constructor(table: Table, client: SqlClient, registry: Registry) {
    this.table = table;
    this.client = client;
    this.registry = registry;
  }

  /** The row with this key, or undefined. One query. */
  async get(key: TableKey): Promise<MessageShape<D> | undefined> {
    const [row] = await this.run(statementsOf(this.table).get, keyValues(this.table, key));
    return row === undefined ? undefined : this.decodeText(row.pb);
  }

  /**
   * The rows that exist of these keys, in no order. One query.
   *
   * @throws QuartetError `invalid_argument` when the key is composite.
   */
  async getMany(keys: readonly KeyPart[]): Promise<MessageShape<D>[]> {
    if (this.table.key.length !== 1) {
      throw new QuartetError(
        "invalid_argument",
        `${this.table.name} has a composite key: read its rows by get.`,
      );
    }
    const rows = await this.run(statementsOf(this.table).getMany, [keys]);
    return rows.map((row) => this.decodeText(row.pb));
  }

  /** Decodes the `pb` column of a row that Kysely read. */
  decode(pb: unknown): MessageShape<D> {
    // The column is jsonb, so whatever pg parsed from it is JSON.
    return decodeStoredJson(this.table.message, pb as JsonValue, this.registry) as MessageShape<D>;
  }

  protected decodeText(text: string): MessageShape<D> {
    return this.decode(JSON.parse(text));
  }

  protected async run(statement: { name: string; text: string }, values: unknown[]): Promise<StoredRow[]> {
    try {
      return (await this.client.query<StoredRow>({ ...statement, values })).rows;
    } catch (error) {
      throw translateDatabaseError(error);
    }
  }
}
