import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import pg from "pg";
import { quoteIdentifier, quoteLiteral } from "../../schema/identifier.ts";
import { sqlStateError } from "./capture-fault.ts";
import { ReadPacer } from "./read-pacer.ts";
import type { ReplicationSource } from "./replication-source.ts";

const connectTimeoutMs = 10_000;
/** How long a closing connection may take to say goodbye before its socket is destroyed. */
const closeTimeoutMs = 2_000;

/** What is used of `pg`'s connection; its types declare neither the property nor the CopyData call. */
interface PgConnection {
  readonly stream: Duplex;
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  end(): void;
  once(event: "replicationStart" | "end", listener: () => void): unknown;
}

/** Called from the socket's `data` event; what `onFrame` throws ends up in `onFailure`. */
export interface ReplicationEvents {
  /** One CopyData frame. Its bytes are valid during the call only. */
  onFrame(frame: Buffer): void;
  /** A warning or notice of the server; `routine` names the server's function and is never translated. */
  onNotice(message: string, routine: string): void;
  /** The connection can no longer be used; called once. */
  onFailure(error: unknown): void;
}

export interface ReplicationIdentity {
  readonly systemId: string;
  readonly timeline: number;
  /** The server's `wal_sender_timeout`; 0 = it never gives up. */
  readonly walSenderTimeoutMs: number;
}

/**
 * A replication connection of `pg`: `connect`, `identify`, `start`, then frames arrive until it is closed.
 * Never throws out of an event and always listens for `error`, so that a dropped connection cannot end the process.
 */
export class ReplicationConnection {
  readonly #client: pg.Client;
  readonly #connection: PgConnection;
  readonly #events: ReplicationEvents;
  #pacer: ReadPacer | undefined;
  #closed = false;

  constructor(source: ReplicationSource, events: ReplicationEvents) {
    this.#client = new pg.Client({
      connectionString: source.url,
      replication: "database",
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      fallback_application_name: `quartet-capture-${source.slot}`,
    } as pg.ClientConfig); // the types do not know `replication`
    this.#connection = (this.#client as unknown as { connection: PgConnection }).connection; // untyped, see PgConnection
    this.#events = events;
    this.#client.on("error", (error) => this.#fail(error));
    this.#client.on("end", () => this.#fail(dropped()));
    this.#client.on("notice", ({ message, routine }) => {
      this.#guard(() => events.onNotice(message ?? "", routine ?? ""));
    });
  }

  /** Logs in; at most 10 s. */
  async connect(): Promise<void> {
    await this.#client.connect();
  }

  /** Fixes the text formats of values, and asks the server who it is. */
  async identify(): Promise<ReplicationIdentity> {
    // The same as the server's own subscriber sets, and UTC: values must not depend on the login's settings.
    await this.#client.query(
      "set client_encoding to 'UTF8'; set datestyle to 'ISO'; set intervalstyle to 'postgres'; " +
        "set extra_float_digits to 3; set timezone to 'UTC'; set bytea_output to 'hex'; set statement_timeout to 0",
    );
    const system = await this.#client.query<{ systemid: string; timeline: string }>("IDENTIFY_SYSTEM");
    const settings = await this.#client.query<{ ms: number }>(
      "select setting::int4 as ms from pg_catalog.pg_settings where name = 'wal_sender_timeout'",
    );
    const [row] = system.rows;
    if (!row) throw dropped();
    return {
      systemId: row.systemid,
      timeline: Number(row.timeline), // int8, which `pg` gives as text
      walSenderTimeoutMs: settings.rows[0]?.ms ?? 60_000,
    };
  }

  /** True if the publication exists. From 18 on the server streams nothing, silently, where it does not. */
  async publicationExists(publication: string): Promise<boolean> {
    // The replication protocol has no bound parameters.
    const found = await this.#client.query(
      `select 1 from pg_catalog.pg_publication where pubname = ${quoteLiteral(publication)}`,
    );
    return found.rows.length > 0;
  }

  /**
   * Starts the stream where the slot stands, with logical messages. Resolves when the server has begun; rejects when it
   * refuses.
   */
  async start(source: ReplicationSource): Promise<void> {
    const publications = quoteLiteral(quoteIdentifier(source.publication));
    const command =
      `START_REPLICATION SLOT ${quoteIdentifier(source.slot)} LOGICAL 0/0 ` +
      `(proto_version '1', publication_names ${publications}, messages 'true')`;
    this.#pacer = new ReadPacer(this.#connection.stream);
    await new Promise<void>((resolve, reject) => {
      this.#connection.once("replicationStart", resolve);
      // A query object of our own: `pg` hands it the frames, and takes them for an error without one.
      this.#client.query({
        submit: () => this.#connection.query(command),
        handleCopyData: ({ chunk }: { readonly chunk: Buffer }) => {
          this.#guard(() => this.#events.onFrame(chunk));
        },
        handleError: (error: unknown) => {
          reject(error);
          this.#fail(error);
        },
        handleCommandComplete: () => this.#fail(dropped()),
        handleReadyForQuery: () => this.#fail(dropped()),
      } as pg.Submittable); // the types name `submit` only
    });
  }

  send(copyData: Buffer): void {
    if (!this.#closed) this.#connection.sendCopyFromChunk(copyData);
  }

  /** True while nothing is read because of `pause`. */
  get paused(): boolean {
    return this.#pacer?.held ?? false;
  }

  /** For how long nothing was read; counts from `resume` after a pause, and only once started. */
  get silentMs(): number {
    return this.#pacer ? performance.now() - this.#pacer.readAt : 0;
  }

  /** Reads no more; frames that were read already still come. */
  pause(): void {
    this.#pacer?.hold();
  }

  resume(): void {
    this.#pacer?.release();
  }

  /** Sends what is written, says goodbye and waits for the server to let go of the slot; at most 2 s. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#pacer?.stop();
    const { stream } = this.#connection;
    if (stream.destroyed) return;
    let limit: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#connection.once("end", resolve);
      limit = setTimeout(resolve, closeTimeoutMs);
      this.#connection.end();
      stream.resume(); // a paused socket would never see its end
    });
    clearTimeout(limit);
    stream.destroy();
  }

  /** Drops the connection without a goodbye. */
  destroy(): void {
    this.#closed = true;
    this.#pacer?.stop();
    this.#connection.stream.destroy();
  }

  #guard(handle: () => void): void {
    if (this.#closed) return;
    try {
      handle();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.destroy();
    this.#events.onFailure(error);
  }
}

function dropped(): Error {
  return sqlStateError("08006", "The server closed the replication connection.");
}
