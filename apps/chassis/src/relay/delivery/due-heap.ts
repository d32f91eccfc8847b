/** What has a time. Units are the caller's. */
export interface Timed {
  readonly dueAtMs: number;
}

/** A binary heap: the earliest first. Pure. */
export class DueHeap<T extends Timed> {
  readonly #items: T[] = [];

  get first(): T | undefined {
    return this.#items[0];
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || parent.dueAtMs <= item.dueAtMs) break;
      items[at] = parent;
      at = above;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const [first] = this.#items;
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return first;
  }

  clear(): void {
    this.#items.length = 0;
  }

  /** Puts an item in the first place and lets it sink to where it belongs. */
  #sink(item: T): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [one, other] = [items[left], items[left + 1]];
      const smaller = other !== undefined && one !== undefined && other.dueAtMs < one.dueAtMs ? other : one;
      if (smaller === undefined || smaller.dueAtMs >= item.dueAtMs) break;
      items[at] = smaller;
      at = smaller === other ? left + 1 : left;
    }
    items[at] = item;
  }
}
