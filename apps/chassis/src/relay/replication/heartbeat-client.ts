import pg from "pg";
import { type DecoderState, readDecoderState } from "./decoder-state.ts";
import { endClient } from "./end-client.ts";
import { type Lsn, parseLsn } from "./lsn.ts";

const connectTimeoutMs = 5_000;
const answerTimeoutMs = 5_000;

/** Prefix of the logical messages that are heartbeats. */
const heartbeatPrefix = "quartet.heartbeat";

/**
 * A plain SQL connection beside a stream, for heartbeats and for what the server tells of the slot. Opened when it is
 * first needed and again after each failure. Every call takes 10 s at most; one at a time.
 */
export class HeartbeatClient implements AsyncDisposable {
  readonly #url: string;
  readonly #slot: string;
  #client: pg.Client | undefined;

  constructor(url: string, slot: string) {
    this.#url = url;
    this.#slot = slot;
  }

  /**
   * Commits a heartbeat, which needs EXECUTE on `pg_logical_emit_message` and a primary. Returns where its message ends
   * in the WAL; its commit follows. Throws what `pg` throws.
   */
  async emit(id: string): Promise<Lsn> {
    return this.#run(async (client) => {
      const emitted = await client.query<{ lsn: string }>(
        "select pg_catalog.pg_logical_emit_message(true, $1, $2)::text as lsn",
        [heartbeatPrefix, id],
      );
      return parseLsn(emitted.rows[0]?.lsn ?? "");
    });
  }

  /** What the server tells of who decodes for the slot; undefined where there is none. Throws what `pg` throws. */
  async readDecoderState(): Promise<DecoderState | undefined> {
    return this.#run((client) => readDecoderState(client, this.#slot));
  }

  /** Ends the connection; a call that is under way fails. At most 2 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client) await endClient(client);
  }

  async #run<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      this.#client ??= await this.#connect();
      return await work(this.#client);
    } catch (error) {
      // Whether it was the statement or the connection: a new one costs a few ms and is right in both cases.
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: connectTimeoutMs,
      statement_timeout: answerTimeoutMs,
      query_timeout: answerTimeoutMs,
      fallback_application_name: `quartet-heartbeat-${this.#slot}`,
    });
    client.on("error", () => {
      if (this.#client === client) this.#client = undefined;
    });
    try {
      await client.connect();
      return client;
    } catch (error) {
      await endClient(client);
      throw error;
    }
  }
}
