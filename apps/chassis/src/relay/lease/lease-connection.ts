import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Client, types } from "pg";
import type { SqlClient } from "../../sql/sql-client.ts";

interface OpenConnection {
  readonly client: Client;
  readonly socket: Socket;
}

const int8 = 20;

/**
 * A connection for the leases alone, so that no busy pool delays a renewal. One that is lost, or does not answer in
 * time, is replaced with the next statement.
 */
export class LeaseConnection implements AsyncDisposable {
  readonly #url: string;
  readonly #limitMs: number;
  #open: Promise<OpenConnection> | undefined;

  /** @param limitMs longest time that a connect or a statement may take */
  constructor(url: string, limitMs: number) {
    this.#url = url;
    this.#limitMs = limitMs;
  }

  /** Runs statements on the connection. When one throws, the next run has a new connection. */
  async run<T>(work: (client: SqlClient) => Promise<T>): Promise<T> {
    this.#open ??= this.#connect();
    const open = this.#open;
    try {
      return await work((await open).client);
    } catch (error) {
      if (this.#open === open) this.#open = undefined;
      // Whatever it may still be waiting for: nobody waits with it.
      open.then(({ socket }) => socket.destroy()).catch(() => undefined);
      throw error;
    }
  }

  async #connect(): Promise<OpenConnection> {
    const socket = new Socket();
    const client = new Client({
      connectionString: this.#url,
      application_name: "quartet relay leases",
      connectionTimeoutMillis: this.#limitMs,
      statement_timeout: this.#limitMs,
      // A server that vanished without a word cannot keep its own limit.
      query_timeout: this.#limitMs,
      keepAlive: true,
      stream: () => socket,
      types: {
        getTypeParser: (oid: number, format?: "text" | "binary") =>
          oid === int8 ? BigInt : types.getTypeParser(oid, format as "text"),
      } as typeof types,
    });
    // The statement that runs, or the next one, tells it.
    client.on("error", () => undefined);
    await client.connect();
    return { client, socket };
  }

  /** Says goodbye, for as long as a statement may take. */
  async [Symbol.asyncDispose](): Promise<void> {
    const open = await this.#open?.catch(() => undefined);
    this.#open = undefined;
    if (open === undefined) return;
    const patience = new AbortController();
    const limit = delay(this.#limitMs, undefined, { signal: patience.signal });
    await Promise.race([open.client.end(), limit]).catch(() => undefined);
    patience.abort();
    await limit.catch(() => undefined);
    open.socket.destroy();
  }
}
