import type { Lsn } from "../replication/lsn.ts";
import type { CapturedEvent, LogEvent } from "./log-event.ts";

/** What of the log a subscription reads. */
export interface LogQuery {
  /** Only events after this sequence. */
  readonly after: bigint;
  /** Only events up to this sequence; undefined: up to the head. */
  readonly upTo?: bigint;
  /** Full names of event types, and beginnings of such names. Both empty: all. */
  readonly types: readonly string[];
  readonly typePrefixes: readonly string[];
  readonly limit: number;
  /** Bytes of payload after which a page ends early; it has one event at least. Default 8 MiB. */
  readonly maxBytes?: number;
}

/** A page of the log. */
export interface LogPage {
  /** Matching events, in order. */
  readonly events: readonly LogEvent[];
  /**
   * How far the log was looked at to find them: where to go on. Beyond `after` whenever the log is, also when nothing
   * matched: a page looks at so many events at most.
   */
  readonly scannedTo: bigint;
}

/** How far an outbox is in the log, in its own WAL's terms. */
export interface CapturePoint {
  /** LSN of the commit record of the last transaction of which events are in the log. */
  readonly commitLsn: Lsn;
  /** How many of its outbox rows are in the log, in the order in which the server sends them. */
  readonly rows: number;
}

/** Which history of which database a position belongs to. */
export interface SourceIdentity {
  readonly systemId: string;
  readonly timeline: number;
}

/** What the log knows of an outbox. */
export interface CaptureState {
  /** Undefined: nothing was ever captured from it. */
  readonly identity: SourceIdentity | undefined;
  readonly point: CapturePoint;
  /** All before it is in the log or needs not be: the most that may be acknowledged to the slot. */
  readonly confirmed: Lsn;
  /** What commits up to here may have come by a repair: it is appended unless its id is known. */
  readonly repairedTo: Lsn;
  /** The last event that an append (not a repair) brought since the last repair. */
  readonly lastEventId: string | undefined;
  /** Why a repair from the table is due, or was begun and not ended. */
  readonly repairDue: string | undefined;
}

/** Who appends. An epoch that is not the one that took the source last is refused everywhere. */
export interface SourceFence {
  readonly source: string;
  readonly epoch: bigint;
}

/** Rows of an outbox in the order of the WAL, and how far that brings the log. */
export interface LogBatch {
  /** Of the fence's source. Those of an id that is in the batch already are left out. */
  readonly events: readonly CapturedEvent[];
  /**
   * Not beyond the source's: the source stays where it is, and unless ids are to be looked for, the batch was appended
   * before and its events are left out.
   */
  readonly point: CapturePoint;
  readonly confirmed: Lsn;
  /** Some of the events may be in the log already: look for their ids. */
  readonly checkIds: boolean;
}

/** How a repair ended. */
export interface RepairEnd {
  readonly identity: SourceIdentity;
  /**
   * All that committed before is in the log: the source goes on from here. `point` becomes (this, 0 rows) and `confirmed`
   * this, also where that is less than before, as it is in the WAL of another server.
   */
  readonly confirmed: Lsn;
  /** What committed between `confirmed` and this may or may not be in the log: it is in neither order wholly. */
  readonly repairedTo: Lsn;
  /** How many events the log had lacked. */
  readonly count: number;
}

/**
 * The ordered, persistent sequence of events. Each event of an outbox is in it once, however often it is handed over and
 * whichever relay dies when; sequences are dense, and none becomes visible before those below it.
 *
 * Delayed events are kept aside until their time has come, and get their place then.
 */
export interface EventLog {
  /**
   * Takes a source for the holder of its lease: from now on whatever a smaller epoch does is refused.
   *
   * @throws QuartetError `lease_lost` when a greater epoch has taken it.
   */
  takeSource(fence: SourceFence): Promise<CaptureState>;
  /**
   * Appends a batch and moves the source on, both or neither. Durable when it resolves. One call for a source at a time.
   *
   * One that fails may have happened, or still happen: the source has to be taken again, which settles it, and what the
   * state then says is so.
   *
   * @throws QuartetError `lease_lost` when a greater epoch has taken the source; `failed_precondition` when it was not
   * taken, or not since a call for it failed; `aborted` when it is no longer as it was taken.
   */
  append(fence: SourceFence, batch: LogBatch): Promise<void>;
  /** Notes, durably, that the WAL up to here holds nothing that the log lacks. Throws as `append`. */
  confirm(fence: SourceFence, confirmed: Lsn): Promise<void>;
  /**
   * Notes that a source needs a repair, before its slot is made: whatever happens then, the repair will be. Forgets which
   * event came last from it. Throws as `append`.
   *
   * @param logWasRestored sequences may be given again: the log's epoch grows
   */
  beginRepair(fence: SourceFence, reason: string, logWasRestored: boolean): Promise<void>;
  /**
   * Appends what a repair found, unless its id is known. Returns how many were new. The last of them is the event that came
   * last from the source. Throws as `append`.
   */
  appendMissing(fence: SourceFence, events: readonly CapturedEvent[]): Promise<number>;
  /** Ends a repair: the source goes on from `confirmed`, in the WAL of this identity. Throws as `append`. */
  endRepair(fence: SourceFence, end: RepairEnd): Promise<void>;

  /**
   * Gives delayed events whose time has come their place, in the order in which they are due. Returns how many; `nextDue` is
   * when to call again at the latest, by the clock of this process. Two calls at once, by whomever, release each event once.
   */
  releaseDue(limit: number): Promise<{ readonly released: number; readonly nextDue: Date | undefined }>;

  /**
   * Reads on. Sees at once what was appended through this object, and what others appended no later than it calls its
   * listeners for it, or than `readHead` has shown it. A reader whose next events retention has dropped goes on at the floor.
   */
  read(query: LogQuery): Promise<LogPage>;
  /** Events by sequence, in order; those that retention has dropped are left out. */
  readEvents(seqs: readonly bigint[]): Promise<readonly LogEvent[]>;
  /** The last sequence, as it is now. */
  readHead(): Promise<{ readonly seq: bigint; readonly epoch: number }>;
  /** The sequence before the oldest event that is kept: where reading from the beginning begins. */
  readFloor(): Promise<bigint>;
  /** The sequence after which events committed at or after a time begin. */
  findSequence(time: Date): Promise<bigint>;

  /**
   * Calls the listener soon after appends, of this process or another, delayed events too: once for several that come
   * together, and now and then for none. It must not throw. Returns how to stop that.
   */
  onAppend(listener: () => void): () => void;
}
