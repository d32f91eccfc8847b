import type { SqlClient } from "../../sql/sql-client.ts";
import { appendChannel } from "./listen-appends.ts";

/** Shortest time between two notifications. */
const pauseMs = 5;

/**
 * Tells other relay processes of appends, in transactions of its own: one that notifies commits after all others that do.
 * At once, then every 5 ms at most, and only while another relay process lives.
 */
export class AppendAnnouncer {
  /** Whether another relay process lives. */
  othersLive = false;
  readonly #client: SqlClient;
  #payload: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: SqlClient) {
    this.#client = client;
  }

  /** A notification that is lost is made up for by the others' poll. */
  announce(payload: "" | "delayed"): void {
    if (!this.othersLive) return;
    this.#payload = this.#payload === "delayed" ? this.#payload : payload;
    if (this.#timer === undefined) this.#send();
  }

  stop(): void {
    this.othersLive = false;
    clearTimeout(this.#timer);
  }

  #send(): void {
    this.#timer = undefined;
    if (this.#payload === undefined) return;
    const payload = this.#payload;
    this.#payload = undefined;
    this.#client
      .query({ name: "announce append", text: "select pg_notify($1, $2)", values: [appendChannel, payload] })
      .catch(() => undefined);
    this.#timer = setTimeout(() => this.#send(), pauseMs).unref();
  }
}
