import type { CapturedBatch, LogEvent } from "./log-event.ts";

/** What of the log a subscription reads. */
export interface LogQuery {
  /** Only events after this sequence. */
  readonly after: bigint;
  /** Full names of event types; empty: all. */
  readonly types: readonly string[];
  readonly limit: number;
}

/** A page of the log: matching events, and how far the log was looked at to find them. */
export interface LogPage {
  readonly events: readonly LogEvent[];
  readonly scannedTo: bigint;
}

/**
 * The ordered, persistent sequence of events. Appends are exactly once by event id; an append of a batch at or
 * before what its source has appended already has no effect.
 */
export interface EventLog {
  /** Appends in order. Durable when it resolves. */
  append(batch: CapturedBatch): Promise<void>;
  /** How far a source is in the log, or undefined when nothing of this database system was ever appended. */
  readAppended(source: string, systemId: string): Promise<bigint | undefined>;
  /** Which of these events are in the log. */
  readKnown(eventIds: readonly string[]): Promise<ReadonlySet<string>>;
  read(query: LogQuery): Promise<LogPage>;
  readHead(): Promise<bigint>;
  /** Calls the listener soon after each append of this process. Returns how to stop that. */
  onAppend(listener: () => void): () => void;
}
