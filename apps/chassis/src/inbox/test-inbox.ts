import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { inboxTableSql } from "./inbox-table.ts";

/** A listening server. */
export interface TestHost extends AsyncDisposable {
  readonly url: string;
  readonly server: Server;
}

export async function openTestHost(listener: RequestListener): Promise<TestHost> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    // It listens on TCP, so the address is there.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Makes an inbox and `effect`, a row an event: with the transaction that made it, and in which place. */
export async function createEffects(database: TestDatabase): Promise<void> {
  for (const sql of inboxTableSql()) await database.query(sql);
  await database.query(`create table effect (
    place bigint generated always as identity, event_id text, key text, attempt int, transaction xid8 default pg_current_xact_id())`);
}

export const insertEffect = "insert into effect (event_id, key, attempt) values ($1, $2, $3)";

export interface Effect {
  readonly event_id: string;
  readonly key: string;
  readonly attempt: number;
  readonly transaction: string;
}

/** Effects of events whose ids begin so, in the order they came about. */
export function readEffects(database: TestDatabase, prefix: string): Promise<Effect[]> {
  return database.query<Effect & Record<string, unknown>>(
    "select event_id, key, attempt, transaction::text from effect where starts_with(event_id, $1) order by place",
    [prefix],
  );
}
