import type { CapturedTransaction } from "./captured-transaction.ts";
import type { Lsn } from "./lsn.ts";

export interface TransactionStreamOptions {
  /** The last commit end that is stored already: transactions up to it are acknowledged and not handed over. */
  readonly startAfter?: Lsn;
  /**
   * Bytes on the wire that may wait for the consumer; above it the socket is paused, at half of it resumed. Default
   * 16 MiB. One transaction is handed over whole, so it is held in memory whole, whatever its size.
   */
  readonly maxBufferedBytes?: number;
  /** Default 10 s; cut to a quarter of the server's `wal_sender_timeout`. */
  readonly statusIntervalMs?: number;
  /** Told of what is ignored, such as an update of the outbox; once per table and kind. */
  readonly onWarning?: (message: string) => void;
  /** Ends the stream as disposing it does. */
  readonly signal?: AbortSignal;
}

/**
 * Committed transactions of a slot, in commit order, at least once: what was not acknowledged comes again.
 *
 * Iterating takes one transaction at a time; leaving a loop loses nothing and does not close the stream, a second loop
 * goes on where the first stopped. When the connection fails, what was received before is still handed over, then
 * iterating throws `unavailable`, whose cause `captureFault` classifies. Disposing or aborting ends it without an error
 * and drops what is buffered.
 */
export interface TransactionStream extends AsyncDisposable, AsyncIterable<CapturedTransaction> {
  /**
   * Everything up to and including this commit end is durably stored; the server may forget it. Idempotent, never goes
   * back. A position beyond what was handed over acknowledges what was handed over. Does nothing once the stream ended.
   */
  acknowledge(lsn: Lsn): void;
  /** Up to `limit` transactions that are here already, without waiting: to make a batch of what is queued. */
  takeReceived(limit: number): CapturedTransaction[];
  /** The database system's identifier; an LSN means something only together with it and the timeline. */
  readonly systemId: string;
  readonly timeline: number;
}
