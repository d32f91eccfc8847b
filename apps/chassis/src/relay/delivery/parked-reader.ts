import type { LogEvent } from "../log/log-event.ts";
import { eventOfLetter, parseLetter } from "./dead-letter.ts";
import type { DeliveryState } from "./delivery-state.ts";
import type { DeliveryStore } from "./delivery-store.ts";
import { mostParkedLanes } from "./log-filler.ts";
import { type ParkedRow, readHeads, readParked } from "./parked-events.ts";
import { bytesOf } from "./pending-event.ts";
import type { RunnerParts } from "./runner-parts.ts";

/** Lanes whose time has come that are read at once. */
const lanesAtOnce = 64;
/** About what the events of one lane may take that are read at once. */
const laneBytes = 1_048_576;
const laneEvents = 32;
const faultPauseMs = 500;
const droppedReason = "The log has dropped the event before it could be delivered.";

/** Brings parked events back into lanes when their time has come. */
export class ParkedReader {
  readonly #parts: RunnerParts;
  readonly #state: DeliveryState;
  readonly #store: DeliveryStore;
  readonly #wake: () => void;
  #reading = false;
  #isCut = false;

  /** @param wake is called when events have come into lanes */
  constructor(parts: RunnerParts, state: DeliveryState, store: DeliveryStore, wake: () => void) {
    this.#wake = wake;
    this.#parts = parts;
    this.#state = state;
    this.#store = store;
  }

  /** Lanes are parked that memory knows nothing of: there were too many. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Whether lanes should be read now; else when, as far as is known. */
  wants(nowMs: number): boolean {
    const { parked, retries } = this.#state;
    const dueMs = parked.nextDueMs;
    return !this.#reading && dueMs !== undefined && dueMs <= nowMs && retries.waiting < lanesAtOnce;
  }

  /**
   * Learns what others have parked, or an earlier run has: the first of each lane. Events of such a lane that wait to be
   * pushed for the first time are given to `displaced`.
   */
  async readHeads(displaced: (laneId: string) => void): Promise<void> {
    const { parked, plan } = this.#state;
    const before = parked.waiting();
    const heads = await readHeads(this.#parts.pool, plan.name, mostParkedLanes);
    const nowMs = performance.now();
    this.#isCut = heads.length === mostParkedLanes;
    const found = new Set<string>();
    const bySeq = heads.toSorted((one, other) => (one.seq < other.seq ? -1 : 1));
    for (const { laneId, seq, dueInMs } of bySeq) {
      if (found.has(laneId)) continue;
      found.add(laneId);
      parked.found(laneId, { seq, dueAtMs: nowMs + dueInMs });
      displaced(laneId);
    }
    if (!this.#isCut) for (const laneId of before) if (!found.has(laneId)) this.#lookInto(laneId);
  }

  /** Reads the first events of lanes whose time has come. A fault of the database is logged, and they are read later. */
  async readDue(nowMs: number): Promise<void> {
    const { parked, plan } = this.#state;
    const due = parked.takeDue(nowMs, lanesAtOnce);
    this.#reading = true;
    try {
      const rows = await readParked(
        this.#parts.pool,
        plan.name,
        due.map(({ seq }) => seq),
      );
      await this.add(rows);
      const found = new Set(rows.map(({ laneId }) => laneId));
      // Somebody else took it out, or what is first has changed.
      for (const { laneId } of due) if (!found.has(laneId)) this.#settleNothing(laneId);
    } catch (error) {
      this.#warn(error);
      for (const { laneId, seq } of due) parked.unload(laneId, { seq, dueAtMs: nowMs + faultPauseMs });
    } finally {
      this.#reading = false;
    }
  }

  /** How many events of a lane are wanted after one of so many bytes. */
  mostAfter(bytes: number): number {
    const most = Math.max(laneEvents, this.#state.plan.limits.events);
    return Math.max(1, Math.min(most, Math.floor(laneBytes / bytes)));
  }

  /** Puts events of loaded lanes into their lanes. Throws what the log throws; then nothing has changed. */
  async add(rows: readonly ParkedRow[]): Promise<void> {
    if (rows.length === 0) return;
    const { log } = this.#parts;
    const events = await log.readEvents(rows.map(({ seq }) => seq));
    const bySeq = new Map(events.map((event) => [event.seq, event]));
    const needsEpoch = rows.some(({ seq, letter }) => letter !== undefined && !bySeq.has(seq));
    const epoch = needsEpoch ? (await log.readHead()).epoch : 0;
    for (const row of rows) this.#addOne(row, bySeq.get(row.seq), epoch);
  }

  #addOne(row: ParkedRow, logged: LogEvent | undefined, epoch: number): void {
    const { laneId, attempts, letter: text } = row;
    const letter = text === undefined ? undefined : parseLetter(text, this.#parts.domain.registry);
    const isSame = letter === undefined || logged?.eventId === letter.eventId;
    const event = isSame ? logged : eventOfLetter(letter, epoch);
    if (event === undefined) {
      this.#buryDropped(row);
      return;
    }
    this.#state.retries.add({
      event,
      bytes: bytesOf(event),
      laneId,
      lane: undefined,
      next: undefined,
      parked: { attempts, letter: text, attemptsBefore: letter?.attempts ?? 0 },
      slot: undefined,
      // It may have been the one that spoiled its batch.
      alone: attempts > 0,
    });
  }

  /** Retention held the log for as long as it may; that the event is lost must be seen. */
  #buryDropped({ seq, key, laneId, attempts }: ParkedRow): void {
    const failure = {
      destination: "",
      status: 0,
      answer: droppedReason,
      retryAfterMs: undefined,
    };
    const event = {
      seq,
      epoch: 0,
      source: "main",
      eventId: "",
      type: "",
      key,
      payload: "",
      causationId: undefined,
      correlationId: undefined,
      traceparent: undefined,
      committedAt: new Date(),
      position: undefined,
    };
    this.#store.settle({
      removed: [seq],
      burials: [{ event, attempts, letter: undefined, failure }],
      wanted: { laneId, limit: 1 },
      done: (next) => this.goOn(laneId, next),
    });
  }

  /** The lane may be empty, or have another first event than memory knows. */
  #lookInto(laneId: string): void {
    if (!this.#state.parked.lookInto(laneId)) return;
    this.#settleNothing(laneId);
  }

  #settleNothing(laneId: string): void {
    this.#store.settle({
      removed: [],
      wanted: { laneId, limit: 1 },
      done: (next) => this.goOn(laneId, next),
    });
  }

  /** All that was loaded of a lane has ended: what is next of it is pushed at once, or when its time has come. */
  goOn(laneId: string, next: readonly ParkedRow[]): void {
    const [first] = next;
    const nowMs = performance.now();
    if (first === undefined || first.dueInMs > 0) {
      const head = first && { seq: first.seq, dueAtMs: nowMs + first.dueInMs };
      this.#state.parked.unload(laneId, head);
      return;
    }
    const later = next.findIndex(({ dueInMs }) => dueInMs > 0);
    this.add(later < 0 ? next : next.slice(0, later)).then(this.#wake, (error: unknown) => {
      this.#warn(error);
      this.#state.parked.unload(laneId, { seq: first.seq, dueAtMs: nowMs + faultPauseMs });
    });
  }

  #warn(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.logger.warn(
      { subscription: this.#state.plan.name, reason },
      "could not read parked events; trying again",
    );
  }
}
