import type { Lsn } from "./lsn.ts";
import type { StreamProgress } from "./stream-progress.ts";
import type { TransactionPart } from "./transaction-part.ts";

export interface TransactionStreamOptions {
  /**
   * Bytes on the wire that may wait for the consumer; above it the socket is paused, at half of it resumed. Default
   * 2 MiB. Exceeded by no more than one read of the socket (64 KiB) or one row.
   */
  readonly maxBufferedBytes?: number;
  /** A transaction is cut after so many rows (default 1,000) ... */
  readonly maxPartRows?: number;
  /** ... and where a part has so many bytes on the wire (default 2 MiB), with the row that brings it there. */
  readonly maxPartBytes?: number;
  /** Default 10 s; cut to a quarter of the server's `wal_sender_timeout`. */
  readonly statusIntervalMs?: number;
  /** Told of what is ignored, such as an update of the outbox; once per table and kind. */
  readonly onWarning?: (message: string) => void;
  /** Ends the stream as disposing it does. */
  readonly signal?: AbortSignal;
}

/**
 * Committed transactions of a slot, in commit order, at least once: what was not acknowledged comes again. Large ones
 * come in parts, so that memory is bounded whatever a transaction holds.
 *
 * Iterating takes one part at a time; leaving a loop loses nothing and does not close the stream, a second loop goes on
 * where the first stopped. When the connection fails, what was received before is still handed over, then iterating
 * throws `unavailable`, whose cause `captureFault` classifies. Disposing or aborting ends it without an error and drops
 * what is buffered.
 *
 * Nothing is reported to the server as flushed that was not given to `acknowledge`, not even on an idle outbox: there
 * the consumer stores `settled` from time to time and then acknowledges it.
 */
export interface TransactionStream extends AsyncDisposable, AsyncIterable<TransactionPart> {
  /**
   * All that committed before this position was handed over and acknowledged, or held no row to hand over. It follows the
   * WAL while the outbox is idle, stands still before a transaction that is being received or waits to be acknowledged,
   * and never goes back. Zero until the server has told or sent something.
   */
  readonly settled: Lsn;
  /**
   * Everything that commits up to this position is durably stored; the server may forget it. Idempotent, never goes back.
   * Acknowledges no more than what was handed over or is settled. Does nothing once the stream ended.
   */
  acknowledge(lsn: Lsn): void;
  /**
   * What is here already, without waiting, to make a batch of what is queued: parts until they hold `maxRows` rows
   * together. The last one may bring more than that.
   */
  takeReceived(maxRows: number): TransactionPart[];
  /** The database system's identifier; an LSN means something only together with it and the timeline. */
  readonly systemId: string;
  readonly timeline: number;
  /** Signs of life, for `runProgressWatch`. */
  readonly progress: StreamProgress;
  /** Aborts when the stream is disposed, aborted or has failed. */
  readonly ended: AbortSignal;
  /** Makes the stream fail as a lost connection does. Does nothing once it ended. */
  fail(error: unknown): void;
}
