import { DueHeap } from "./due-heap.ts";

/** The first parked event of a lane: the one that is tried. */
export interface ParkedHead {
  readonly seq: bigint;
  readonly dueAtMs: number;
}

/** A lane of which events are parked, or may be. */
interface ParkedLane {
  readonly id: string;
  head: ParkedHead | undefined;
  /** Stores of events under way. */
  storing: number;
  /** Its first events are in memory, to be pushed. */
  loaded: boolean;
  /** While it is loaded: the first one that somebody else has put there. */
  found: ParkedHead | undefined;
}

/** Entries of the heap that are outdated, beyond as many as there are lanes, before it is made anew. */
const mostOutdated = 1_000;

interface DueLane extends ParkedHead {
  readonly lane: ParkedLane;
}

/**
 * Which lanes of a subscription are parked, and when each is to be tried. A lane is parked from before an event of it is
 * stored until it was seen that none is left; so memory may know of more than the database has, never of less. Pure.
 *
 * A lane is, in turn: being stored (no head yet) → waiting for its head's time → loaded (its first events are being
 * pushed) → waiting again, or released when nothing of it is left and nothing is being stored.
 */
export class ParkedLanes {
  readonly #lanes = new Map<string, ParkedLane>();
  readonly #due = new DueHeap<DueLane>();

  get size(): number {
    return this.#lanes.size;
  }

  has(laneId: string): boolean {
    return this.#lanes.has(laneId);
  }

  /** Events of the lane are about to be stored. */
  storing(laneId: string): void {
    const lane = this.#lanes.get(laneId);
    if (lane === undefined) this.#lanes.set(laneId, { ...createLane(laneId), storing: 1 });
    else lane.storing += 1;
  }

  /** Whether an event that is stored now is the first of its lane. */
  isHead(laneId: string, seq: bigint): boolean {
    const lane = this.#lanes.get(laneId);
    return lane?.head === undefined ? lane?.loaded !== true : seq < lane.head.seq;
  }

  /** An event was stored. */
  stored(laneId: string, head: ParkedHead | undefined): void {
    const lane = this.#lanes.get(laneId);
    if (lane === undefined) return;
    lane.storing -= 1;
    if (head !== undefined && !lane.loaded && (lane.head === undefined || head.seq < lane.head.seq)) {
      this.#wait(lane, head);
    }
    this.#releaseIfEmpty(lane);
  }

  /** The first event of a lane, as somebody else or an earlier run has parked it. Of a loaded lane it is looked at later. */
  found(laneId: string, head: ParkedHead): void {
    const lane = this.#lanes.get(laneId) ?? createLane(laneId);
    this.#lanes.set(laneId, lane);
    if (lane.loaded) lane.found = head;
    else this.#wait(lane, head);
  }

  /** When the next lane is to be tried; undefined: none waits. */
  get nextDueMs(): number | undefined {
    this.#dropOutdated();
    return this.#due.first?.dueAtMs;
  }

  /** Takes lanes whose time has come, as loaded. */
  takeDue(nowMs: number, limit: number): { readonly laneId: string; readonly seq: bigint }[] {
    const taken: { laneId: string; seq: bigint }[] = [];
    while (taken.length < limit) {
      this.#dropOutdated();
      const due = this.#due.first;
      if (due === undefined || due.dueAtMs > nowMs) break;
      this.#due.pop();
      due.lane.loaded = true;
      due.lane.head = undefined;
      taken.push({ laneId: due.lane.id, seq: due.seq });
    }
    return taken;
  }

  /** A loaded lane ends: its first event is to be tried again then, or none is left. */
  unload(laneId: string, head: ParkedHead | undefined): void {
    const lane = this.#lanes.get(laneId);
    if (lane === undefined) return;
    lane.loaded = false;
    const { found } = lane;
    lane.found = undefined;
    const first = found !== undefined && (head === undefined || found.seq < head.seq) ? found : head;
    if (first !== undefined) this.#wait(lane, first);
    this.#releaseIfEmpty(lane);
  }

  /** Lanes that neither are loaded nor being stored: those of which the database may know nothing more. */
  waiting(): string[] {
    const lanes = [...this.#lanes.values()].filter((lane) => !lane.loaded && lane.storing === 0);
    return lanes.map((lane) => lane.id);
  }

  /** Marks a waiting lane as loaded, to look for its first event. False when it is loaded, or gone. */
  lookInto(laneId: string): boolean {
    const lane = this.#lanes.get(laneId);
    if (lane === undefined || lane.loaded) return false;
    lane.head = undefined;
    lane.loaded = true;
    return true;
  }

  #wait(lane: ParkedLane, head: ParkedHead): void {
    const due: DueLane = { seq: head.seq, dueAtMs: head.dueAtMs, lane };
    lane.head = due;
    this.#due.push(due);
    if (this.#due.size > 2 * this.#lanes.size + mostOutdated) this.#rebuild();
  }

  #rebuild(): void {
    this.#due.clear();
    for (const lane of this.#lanes.values()) {
      if (lane.head === undefined) continue;
      const due: DueLane = { seq: lane.head.seq, dueAtMs: lane.head.dueAtMs, lane };
      lane.head = due;
      this.#due.push(due);
    }
  }

  /** Entries of the heap whose lane has another head by now. */
  #dropOutdated(): void {
    for (let due = this.#due.first; due !== undefined && due.lane.head !== due; due = this.#due.first) {
      this.#due.pop();
    }
  }

  #releaseIfEmpty(lane: ParkedLane): void {
    if (lane.head === undefined && !lane.loaded && lane.storing === 0) this.#lanes.delete(lane.id);
  }
}

function createLane(id: string): ParkedLane {
  return { id, head: undefined, storing: 0, loaded: false, found: undefined };
}
