import {
  create,
  type DescMessage,
  type Message,
  type MessageInitShape,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { printKey } from "../pbtable/seen-row.ts";
import { keyOf, keyValues, type TableKey } from "../pbtable/table-key.ts";
import { type Expected, TableWriter } from "../pbtable/table-writer.ts";
import type { Table } from "../schema/table/table.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { nameOfRow, type RowName } from "./check-preconditions.ts";

/** Rows that a transaction has made and unmade itself, by their names; not those that it has by Kysely. */
export class OwnRows {
  readonly inserted = new Map<string, RowName>();
  /** Rows of others. */
  readonly deleted = new Set<string>();

  noteInsert(row: RowName): void {
    this.inserted.set(nameOfRow(row), row);
  }

  noteDelete(row: RowName): void {
    const name = nameOfRow(row);
    if (!this.inserted.has(name)) this.deleted.add(name);
  }
}

/** Notes the rows that it inserts and deletes. */
export class NotedWriter<D extends DescMessage> extends TableWriter<D> {
  readonly #rows: OwnRows;

  constructor(table: Table, client: SqlClient, registry: Registry, rows: OwnRows) {
    super(table, client, registry);
    this.#rows = rows;
  }

  override async insert(init: MessageInitShape<D>): Promise<MessageShape<D>> {
    const message = await super.insert(init);
    this.#noteInsert(message);
    return message;
  }

  override async insertMany(inits: readonly MessageInitShape<D>[]): Promise<MessageShape<D>[]> {
    const messages = await super.insertMany(inits);
    for (const message of messages) this.#noteInsert(message);
    return messages;
  }

  override async insertIfAbsent(init: MessageInitShape<D>): Promise<boolean> {
    const inserted = await super.insertIfAbsent(init);
    if (inserted) this.#noteInsert(create(this.message, init));
    return inserted;
  }

  override async delete(key: TableKey, expected: Expected = {}): Promise<boolean> {
    const deleted = await super.delete(key, expected);
    if (deleted) this.#rows.noteDelete(this.#name(keyValues(this.table, key)));
    return deleted;
  }

  #noteInsert(message: Message): void {
    this.#rows.noteInsert(this.#name(keyOf(this.table, message)));
  }

  #name(values: readonly unknown[]): RowName {
    return { table: this.message.typeName, key: printKey(values) };
  }
}
