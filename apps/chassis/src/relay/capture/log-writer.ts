import type { CaptureState, EventLog, SourceFence } from "../log/event-log.ts";
import type { RelayObserver } from "../relay-observer.ts";
import { type Lsn, toLsn } from "../replication/lsn.ts";
import type { TransactionPart } from "../replication/transaction-part.ts";
import type { TransactionStream } from "../replication/transaction-stream.ts";
import { createCaptureBatch, type LogPlace } from "./capture-batch.ts";
import type { CaptureStopPoints } from "./capture-stop-points.ts";
import { isOutbox, type RowOrigin, toCapturedEvent } from "./captured-event.ts";
import { EventOrigins } from "./event-origins.ts";
import type { OutboxSource } from "./outbox-source.ts";

/** What a writer works with. */
export interface LogWriterParts {
  readonly source: OutboxSource;
  readonly log: EventLog;
  readonly fence: SourceFence;
  readonly observer: RelayObserver;
  readonly stopPoints: CaptureStopPoints;
  /** Called after each write that worked. */
  readonly onProgress: () => void;
  /** Called once, when a write fails: nothing is written after it. */
  readonly onFailure: () => void;
}

/**
 * Writes what a stream brings to the log, one write after the other, and acknowledges to the slot what is durable there:
 * nothing is acknowledged that the log does not know to be confirmed.
 */
export class LogWriter {
  readonly #parts: LogWriterParts;
  readonly #stream: TransactionStream;
  readonly #origins: EventOrigins;
  readonly #checkTo: Lsn;
  #place: LogPlace;
  /** The last write; it rejects when that or one before it failed. */
  #last: Promise<void> = Promise.resolve();

  /** @param state of the log when the stream was opened */
  constructor(parts: LogWriterParts, stream: TransactionStream, state: CaptureState) {
    this.#parts = parts;
    this.#stream = stream;
    this.#origins = new EventOrigins(parts.source, stream);
    const before = state.point.commitLsn - 1n;
    this.#checkTo = before > state.repairedTo ? toLsn(before) : state.repairedTo;
    this.#place = state;
  }

  /** Resolves when all that was begun is written; rejects with what it failed with. */
  idle(): Promise<void> {
    return this.#last;
  }

  /** Begins to append parts, which follow those of the call before. */
  append(parts: readonly TransactionPart[]): void {
    this.#begin(() => this.#append(parts));
  }

  /** Begins to confirm and acknowledge what is settled without an append: an outbox that nobody writes to holds no WAL. */
  confirmSettled(): void {
    this.#begin(() => this.#confirmSettled());
  }

  #begin(write: () => Promise<void>): void {
    const before = this.#last;
    this.#last = before.then(write);
    before.then(
      () => this.#last.catch(() => this.#parts.onFailure()),
      () => undefined, // was told
    );
  }

  async #append(parts: readonly TransactionPart[]): Promise<void> {
    const { source, log, fence, observer, stopPoints } = this.#parts;
    await stopPoints.received?.();
    const origins = await this.#origins.of(parts);
    const batch = createCaptureBatch(
      parts,
      this.#place,
      this.#checkTo,
      ({ relation, values }, part) =>
        isOutbox(relation) ? toCapturedEvent(values, origins.get(part) as RowOrigin) : undefined, // there is one for each part
    );
    if (batch.events.length > 0 || batch.confirmed > this.#place.confirmed) {
      await log.append(fence, batch);
      this.#place = batch;
      await stopPoints.appended?.();
    }
    if (batch.acknowledge !== undefined) this.#stream.acknowledge(batch.acknowledge);
    if (batch.events.length > 0) observer.captured(source.name, batch.events.length);
    this.#parts.onProgress();
  }

  async #confirmSettled(): Promise<void> {
    const { settled } = this.#stream;
    if (settled > this.#place.confirmed) {
      await this.#parts.log.confirm(this.#parts.fence, settled);
      this.#place = { point: this.#place.point, confirmed: settled };
    }
    this.#stream.acknowledge(settled);
    this.#parts.onProgress();
  }
}
