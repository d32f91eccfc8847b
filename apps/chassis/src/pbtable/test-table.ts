import type { DescMessage } from "@bufbuild/protobuf";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { tableOf } from "../schema/table/table.ts";
import { type LooseMessage, testRegistry } from "../schema/test-schema.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { createIndexSql, createTableSql } from "./table-ddl.ts";
import { TableWriter } from "./table-writer.ts";

/** Creates the tables of messages, with their indexes. */
export async function createTables(database: TestDatabase, messages: readonly DescMessage[]): Promise<void> {
  await database.query("create schema if not exists test");
  for (const table of messages.map(tableOf)) {
    await database.query(createTableSql(table));
    for (const index of table.indexes) await database.query(createIndexSql(table, index));
  }
}

/** A writer whose messages may be read by field name. */
export class LooseWriter {
  readonly writer: TableWriter<DescMessage>;

  constructor(message: DescMessage, client: SqlClient) {
    this.writer = new TableWriter(tableOf(message), client, testRegistry);
  }

  insert(init: Record<string, unknown>): Promise<LooseMessage> {
    return this.writer.insert(init) as Promise<LooseMessage>;
  }

  async get(...key: Parameters<TableWriter<DescMessage>["get"]>): Promise<LooseMessage | undefined> {
    return (await this.writer.get(...key)) as LooseMessage | undefined;
  }

  update(
    key: Parameters<TableWriter<DescMessage>["get"]>[0],
    edit: (draft: LooseMessage) => void | Promise<void>,
  ): Promise<LooseMessage> {
    return this.writer.update(key, (draft) => edit(draft as LooseMessage)) as Promise<LooseMessage>;
  }
}

/** The stored JSON and version of a row of a one-column key. */
export async function storedRow(
  database: TestDatabase,
  message: DescMessage,
  id: string,
): Promise<{ pb: Record<string, unknown>; version: string } | undefined> {
  const [row] = await database.query<{ pb: Record<string, unknown>; version: string }>(
    `select pb, version::text from ${tableOf(message).sqlName} where id::text = $1`,
    [id],
  );
  return row;
}
