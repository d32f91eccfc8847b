export interface GroupSettings<T> {
  /** Groups that are worked off at once, at most. */
  readonly maxRunning: number;
  /** Entries of a group, at most. */
  readonly maxGroup: number;
  /**
   * Whether the entries of a group are worked off together, so that a larger one takes hardly longer. Else what waits is
   * shared between the groups that may begin.
   */
  readonly together: boolean;
  /** Whether an entry is worked off by itself. */
  isAlone(entry: T): boolean;
  /** Works off a group. Must not reject. */
  run(group: readonly T[]): Promise<void>;
}

interface Entry<T> {
  readonly key: string;
  readonly value: T;
}

/** Entries of a key of which a group is under way. */
interface HeldKey<T> {
  readonly group: object;
  readonly waiting: Entry<T>[];
}

/**
 * Works off entries in groups, several at a time. Those of one key are worked off in the order they came, and never in two
 * groups at once; so what is worked off side by side hardly ever wants the same rows.
 *
 * Alone an entry waits for nobody: a group begins with what there is. Under load a group is all that came while those
 * before it were worked off, so the fewer steps each event takes the more there are.
 *
 * An entry is `new` → under way → over; or, when it is met while its key is under way, `held` → `freed` with its key's
 * group, in order → under way. Freed ones are looked at before new ones, which are younger. Every step takes the same time
 * however many wait.
 */
export class GroupQueue<T> {
  readonly #settings: GroupSettings<T>;
  readonly #freed = new Fifo<Entry<T>>();
  readonly #new = new Fifo<Entry<T>>();
  readonly #held = new Map<string, HeldKey<T>>();
  #running = 0;
  #isToStart = false;

  constructor(settings: GroupSettings<T>) {
    this.#settings = settings;
  }

  add(key: string, value: T): void {
    this.#new.push({ key, value });
    if (this.#isToStart || this.#running >= this.#settings.maxRunning) return;
    this.#isToStart = true;
    // What else arrives in this turn of the event loop comes along.
    setImmediate(() => {
      this.#isToStart = false;
      this.#start();
    });
  }

  #start(): void {
    while (this.#running < this.#settings.maxRunning) {
      const group = this.#take();
      if (group.length === 0) return;
      this.#running += 1;
      void this.#settings.run(group.map(({ value }) => value)).then(() => {
        this.#running -= 1;
        this.#free(group);
        this.#start();
      });
    }
  }

  #take(): Entry<T>[] {
    const { isAlone } = this.#settings;
    const share = this.#share();
    const group: Entry<T>[] = [];
    for (const entries of [this.#freed, this.#new]) {
      for (let entry = entries.first; entry !== undefined; entry = entries.first) {
        const alone = isAlone(entry.value);
        if (group.length > 0 && (alone || this.#isFull(group, share, entry))) return group;
        entries.shift();
        if (this.#hold(entry, group)) group.push(entry);
        if (alone && group.length > 0) return group;
      }
    }
    return group;
  }

  /** What is left to another group of a key that this one has, would have to wait for this one. */
  #isFull(group: readonly Entry<T>[], share: number, { key }: Entry<T>): boolean {
    if (group.length < share) return false;
    return group.length >= this.#settings.maxGroup || this.#held.get(key)?.group !== group;
  }

  #share(): number {
    const { together, maxGroup, maxRunning } = this.#settings;
    if (together) return maxGroup;
    const waiting = this.#freed.size + this.#new.size;
    return Math.min(maxGroup, Math.ceil(waiting / (maxRunning - this.#running)));
  }

  /** @returns false when the entry has to wait for another group. */
  #hold(entry: Entry<T>, group: object): boolean {
    const held = this.#held.get(entry.key);
    if (held === undefined) this.#held.set(entry.key, { group, waiting: [] });
    else if (held.group !== group) held.waiting.push(entry);
    return held === undefined || held.group === group;
  }

  #free(group: readonly Entry<T>[]): void {
    for (const { key } of group) {
      for (const entry of this.#held.get(key)?.waiting ?? []) this.#freed.push(entry);
      this.#held.delete(key);
    }
  }
}

/** Entries that were taken are dropped when they are so many: shifting one moves all others. */
const keptTaken = 1_024;

class Fifo<T> {
  #entries: T[] = [];
  #head = 0;

  get size(): number {
    return this.#entries.length - this.#head;
  }

  get first(): T | undefined {
    return this.#entries[this.#head];
  }

  push(entry: T): void {
    this.#entries.push(entry);
  }

  shift(): void {
    this.#head += 1;
    if (this.#head < keptTaken && this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
