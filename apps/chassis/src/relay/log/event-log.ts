import type { CapturedEvent, LogEvent } from "./log-event.ts";

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

/** The ordered, persistent sequence of events. Each event is in it once, by its id, however often it is appended. */
export interface EventLog {
  /** Appends in order what the log lacks. Durable when it resolves. */
  append(events: readonly CapturedEvent[]): Promise<void>;
  /** Whether a source of this database system needs a repair: never repaired, or a repair was begun and not ended. */
  needsRepair(source: string, systemId: string): Promise<boolean>;
  /** Notes that a source needs a repair, before its slot is made: whatever happens then, the repair will be. */
  beginRepair(source: string): Promise<void>;
  endRepair(source: string, systemId: string): Promise<void>;
  /** Which of these events are in the log. */
  readKnown(eventIds: readonly string[]): Promise<ReadonlySet<string>>;
  read(query: LogQuery): Promise<LogPage>;
  readHead(): Promise<bigint>;
  /** Calls the listener soon after each append of this process. Returns how to stop that. */
  onAppend(listener: () => void): () => void;
}
