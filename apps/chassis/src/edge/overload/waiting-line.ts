/** What is let in first, last: queries, then commands, then pushes, which finish what was accepted before. */
export const priorities = ["query", "command", "push"] as const;
export type Priority = (typeof priorities)[number];

/** Somebody in the line. */
export interface Waiting {
  readonly priority: Priority;
  /** Until when it makes sense to wait, in ms of `performance.now()`. */
  readonly untilMs: number;
  readonly begin: () => void;
  readonly refuse: () => void;
}

/** Every so many turns the lowest priority has its own: a flood of commands does not starve the reads. */
const turnsOfTheLowest = 8;

/** Those who wait to be let in: first in, first out within a priority, the higher ones first. */
export class WaitingLine {
  readonly #lines: Readonly<Record<Priority, Set<Waiting>>> = {
    query: new Set(),
    command: new Set(),
    push: new Set(),
  };
  #turns = 0;

  get length(): number {
    return priorities.reduce((sum, priority) => sum + this.#lines[priority].size, 0);
  }

  lengthOf(priority: Priority): number {
    return this.#lines[priority].size;
  }

  add(waiting: Waiting): void {
    this.#lines[waiting.priority].add(waiting);
  }

  remove(waiting: Waiting): void {
    this.#lines[waiting.priority].delete(waiting);
  }

  /** Takes out who is next. */
  next(): Waiting | undefined {
    this.#turns = (this.#turns + 1) % turnsOfTheLowest;
    const order = this.#turns === 0 ? priorities : priorities.toReversed();
    for (const priority of order) {
      for (const first of this.#lines[priority]) {
        this.remove(first);
        return first;
      }
    }
    return undefined;
  }

  /** Takes out the last one who came, of the lowest priority that is below `priority`. */
  displace(priority: Priority): Waiting | undefined {
    for (const lower of priorities.slice(0, priorities.indexOf(priority))) {
      const last = [...this.#lines[lower]].at(-1);
      if (last === undefined) continue;
      this.remove(last);
      return last;
    }
    return undefined;
  }

  /** Takes out all whose time is over. */
  takeExpired(nowMs: number): Waiting[] {
    const expired = priorities.flatMap((priority) =>
      [...this.#lines[priority]].filter((waiting) => waiting.untilMs <= nowMs),
    );
    for (const waiting of expired) this.remove(waiting);
    return expired;
  }
}
