/**
 * Queues that are worked off side by side, several entries at a time. What has the same key is in the same lane, in the
 * order it came; and what is worked off together elsewhere hardly ever has the same key, and so the same rows.
 *
 * An idle lane begins at once with what there is. So alone an entry waits for nobody, and under load a group is what came
 * while the one before it was worked off.
 */
export class KeyLanes<T> {
  readonly #lanes: Lane<T>[];
  readonly #settings: LaneSettings<T>;

  constructor(count: number, settings: LaneSettings<T>) {
    this.#lanes = Array.from({ length: count }, () => ({ queue: [], head: 0, busy: false }));
    this.#settings = settings;
  }

  add(key: string, entry: T): void {
    const lane = this.#lanes[hashOf(key) % this.#lanes.length];
    if (lane === undefined) return;
    lane.queue.push(entry);
    if (lane.busy) return;
    lane.busy = true;
    // What else arrives in this turn of the event loop comes along.
    setImmediate(() => void this.#run(lane));
  }

  async #run(lane: Lane<T>): Promise<void> {
    while (lane.head < lane.queue.length) await this.#settings.run(takeGroup(lane, this.#settings));
    lane.queue = [];
    lane.head = 0;
    lane.busy = false;
  }
}

export interface LaneSettings<T> {
  /** Entries of a group, at most. */
  readonly maxGroup: number;
  /** Whether an entry is worked off by itself. */
  isAlone(entry: T): boolean;
  /** Works off a group. Must not reject. */
  run(group: readonly T[]): Promise<void>;
}

interface Lane<T> {
  queue: T[];
  /** Index of the first entry that has not been taken: shifting would move all others. */
  head: number;
  busy: boolean;
}

/** Entries that are taken are dropped from the queue when they are so many. */
const keptTaken = 1_024;

function takeGroup<T>(lane: Lane<T>, { maxGroup, isAlone }: LaneSettings<T>): readonly T[] {
  const rest = lane.queue.slice(lane.head, lane.head + maxGroup);
  const firstAlone = rest.findIndex(isAlone);
  const group = firstAlone < 0 ? rest : rest.slice(0, Math.max(1, firstAlone));
  lane.head += group.length;
  if (lane.head >= keptTaken) {
    lane.queue.splice(0, lane.head);
    lane.head = 0;
  }
  return group;
}

/** FNV-1a, 32 bits, of the text's UTF-16 code units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
