/**
 * Which keys of a subscription are parked: those that may have events parked in the database. A key is parked from
 * before an event of it is stored until it was seen that none is left; a store whose outcome is unknown leaves it
 * parked. So memory may know of more than the database has, never of less.
 */
export class ParkedKeys {
  /** Stores under way, by key. */
  readonly #keys: Map<string, number>;

  constructor(keys: Iterable<string>) {
    this.#keys = new Map([...keys].map((key) => [key, 0]));
  }

  get size(): number {
    return this.#keys.size;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Keys without a store under way: those that may be found empty. */
  settled(): string[] {
    return [...this.#keys].flatMap(([key, stores]) => (stores === 0 ? [key] : []));
  }

  /** Parks the key and stores an event of it. */
  async park(key: string, store: () => Promise<void>): Promise<void> {
    this.#keys.set(key, (this.#keys.get(key) ?? 0) + 1);
    try {
      await store();
    } finally {
      this.#keys.set(key, (this.#keys.get(key) ?? 1) - 1);
    }
  }

  /** Releases the key when `isEmpty` finds none of its events and none was stored meanwhile. */
  async release(key: string, isEmpty: () => Promise<boolean>): Promise<void> {
    if (this.#keys.get(key) !== 0) return;
    const empty = await isEmpty();
    if (empty && this.#keys.get(key) === 0) this.#keys.delete(key);
  }
}
