import type { LogEvent } from "../log/log-event.ts";

/**
 * Events that wait to be pushed, a lane per key: of one key only the first is under way, and lanes take turns. Pure.
 */
export class KeyLanes {
  readonly #lanes = new Map<string, LogEvent[]>();
  readonly #ready: string[] = [];

  add(event: LogEvent): void {
    const lane = this.#lanes.get(event.key);
    if (lane !== undefined) {
      lane.push(event);
      return;
    }
    this.#lanes.set(event.key, [event]);
    this.#ready.push(event.key);
  }

  /** The next event whose key has none under way; its lane is closed until `release` or `giveBack`. */
  take(): LogEvent | undefined {
    const key = this.#ready.shift();
    return key === undefined ? undefined : this.#lanes.get(key)?.[0];
  }

  /** The taken event has ended: the next one of its key may go. */
  release(event: LogEvent): void {
    const lane = this.#lanes.get(event.key);
    lane?.shift();
    if (lane === undefined || lane.length === 0) this.#lanes.delete(event.key);
    else this.#ready.push(event.key);
  }

  /** The taken event was not delivered: it is the first of its key again, and other keys have their turn before. */
  giveBack(event: LogEvent): void {
    this.#ready.push(event.key);
  }
}
