import type { LogEvent } from "../log/log-event.ts";
import type { Lane } from "./event-lanes.ts";

/** An event on its way to a subscriber. */
export interface PendingEvent {
  readonly event: LogEvent;
  readonly bytes: number;
  /** What it waits in line for; the lane it is in. */
  readonly laneId: string;
  lane: Lane | undefined;
  /** The one behind it in its lane. */
  next: PendingEvent | undefined;
  /** Undefined for one that was never parked. */
  readonly parked: ParkedState | undefined;
  /** Where its end is noted; undefined for one that the cursor has passed. */
  readonly slot: WindowSlot | undefined;
  /** It is pushed in a request of its own: a batch with it was condemned as a whole. */
  alone: boolean;
}

/** What is stored of a parked event. */
export interface ParkedState {
  /** Failed attempts that count, since it was parked or given back. */
  readonly attempts: number;
  /** The dead letter that it was, as stored JSON text. */
  readonly letter: string | undefined;
  /** Attempts of that letter. */
  readonly attemptsBefore: number;
}

/** The place of an event in the window: it ends when it is delivered, parked or dead. */
export interface WindowSlot {
  readonly seq: bigint;
  readonly bytes: number;
  ended: boolean;
}

/** Which attempt at the event the next one is, as its subscriber is told: from 1. */
export function nextAttempt(pending: PendingEvent): number {
  return (pending.parked?.attempts ?? 0) + 1;
}

/** Which attempt the next one is since the event was published, deaths included. */
export function nextRecordedAttempt(pending: PendingEvent): number {
  return (pending.parked?.attemptsBefore ?? 0) + nextAttempt(pending);
}

/** About the memory that an event takes while it is pending. */
export function bytesOf(event: LogEvent): number {
  return event.payload.length + event.key.length + 400;
}
