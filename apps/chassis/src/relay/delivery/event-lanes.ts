import type { PendingEvent } from "./pending-event.ts";

/** Events that wait for one another, in order. */
export interface Lane {
  readonly id: string;
  first: PendingEvent | undefined;
  last: PendingEvent | undefined;
  nextReady: Lane | undefined;
  state: "ready" | "underWay" | "gone";
}

/** The most that one push takes. */
export interface TakeLimits {
  readonly events: number;
  /** One event may be larger. */
  readonly bytes: number;
}

/**
 * Events that wait to be pushed, in lanes. Of one lane one push is under way at a time, and lanes take turns. Every step
 * takes the same time however many events and lanes there are. Pure.
 *
 * A lane is, in turn: ready (it has events and waits for its turn) → under way (`take` took some of its events; those
 * behind them wait) → ready, or gone when it is empty (`reopen`). Events that are to be pushed again are put back at its
 * front before it is reopened.
 */
export class EventLanes {
  readonly #lanes = new Map<string, Lane>();
  #firstReady: Lane | undefined;
  #lastReady: Lane | undefined;
  #waiting = 0;

  /** Events that wait, those behind events under way included. */
  get waiting(): number {
    return this.#waiting;
  }

  get hasReady(): boolean {
    return this.#firstReady !== undefined;
  }

  add(pending: PendingEvent): void {
    const lane = this.#laneOf(pending.laneId);
    pending.lane = lane;
    pending.next = undefined;
    if (lane.last === undefined) lane.first = pending;
    else lane.last.next = pending;
    lane.last = pending;
    this.#waiting += 1;
  }

  /**
   * Takes events for one push: all that a lane has, then the next lane's. One that is to be alone is, and ends what is
   * taken before it.
   */
  take(limits: TakeLimits): PendingEvent[] {
    const taken: PendingEvent[] = [];
    let left = limits.bytes;
    for (let lane = this.#firstReady; lane !== undefined; lane = this.#firstReady) {
      for (let pending = lane.first; pending !== undefined; pending = lane.first) {
        const full = taken.length >= limits.events || pending.bytes > left || pending.alone;
        if (full && taken.length > 0) return taken;
        if (lane.state === "ready") this.#close(lane);
        this.#removeFirst(lane, pending);
        taken.push(pending);
        left -= pending.bytes;
        if (pending.alone) return taken;
      }
    }
    return taken;
  }

  /** Takes the lane whose turn it is out of those that wait for theirs. */
  #close(lane: Lane): void {
    this.#firstReady = lane.nextReady;
    if (this.#firstReady === undefined) this.#lastReady = undefined;
    // Else each lane that is gone keeps all that were ready after it, in old space until it is collected.
    lane.nextReady = undefined;
    lane.state = "underWay";
  }

  #removeFirst(lane: Lane, pending: PendingEvent): void {
    lane.first = pending.next;
    if (lane.first === undefined) lane.last = undefined;
    pending.next = undefined;
    this.#waiting -= 1;
  }

  /** Puts an event that was taken back at the front of its lane: of several, the last one first. */
  giveBack(pending: PendingEvent): void {
    const { lane } = pending;
    if (lane === undefined) return;
    pending.next = lane.first;
    lane.first = pending;
    lane.last ??= pending;
    this.#waiting += 1;
  }

  /** Ends what is under way in a lane: it has its turn again after all others that are ready. */
  reopen(lane: Lane): void {
    if (lane.state !== "underWay") return;
    if (lane.first === undefined) this.#drop(lane);
    else this.#makeReady(lane);
  }

  /** Takes all waiting events out of a lane. What of it is under way stays so. */
  empty(laneId: string): PendingEvent[] {
    const lane = this.#lanes.get(laneId);
    const taken: PendingEvent[] = [];
    for (let pending = lane?.first; lane !== undefined && pending !== undefined; pending = lane.first) {
      this.#removeFirst(lane, pending);
      taken.push(pending);
    }
    if (lane?.state === "ready") this.#removeReady(lane);
    return taken;
  }

  /** Rare: a lane is emptied while it waits for its turn only when somebody else has parked events of it. */
  #removeReady(lane: Lane): void {
    let before: Lane | undefined;
    for (let ready = this.#firstReady; ready !== undefined && ready !== lane; ready = ready.nextReady) {
      before = ready;
    }
    if (before === undefined) this.#firstReady = lane.nextReady;
    else before.nextReady = lane.nextReady;
    if (this.#lastReady === lane) this.#lastReady = before;
    this.#drop(lane);
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane.id);
    lane.state = "gone";
  }

  #laneOf(id: string): Lane {
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    const lane: Lane = { id, first: undefined, last: undefined, nextReady: undefined, state: "underWay" };
    this.#lanes.set(id, lane);
    this.#makeReady(lane);
    return lane;
  }

  #makeReady(lane: Lane): void {
    lane.state = "ready";
    lane.nextReady = undefined;
    if (this.#lastReady === undefined) this.#firstReady = lane;
    else this.#lastReady.nextReady = lane;
    this.#lastReady = lane;
  }
}
