import type { TransactionPart } from "./transaction-part.ts";

interface Entry {
  readonly part: TransactionPart;
  readonly bytes: number;
}

interface Waiter {
  resolve(part: TransactionPart | undefined): void;
  reject(error: unknown): void;
}

/** Taken entries are cut off the front of the list in blocks of at least this many. */
const compactAfter = 1024;

/**
 * Complete parts of transactions between the socket and the consumer, with the marks of back-pressure. Bytes are those of
 * the wire. The part that is being received counts, but alone never fills the queue: nobody could drain it, and it is cut
 * before it grows large.
 *
 * | state  | take()                                   | leaves on        |
 * |--------|------------------------------------------|------------------|
 * | open   | the oldest part, or waits for one        | end → ended, fail → failed |
 * | ended  | undefined at once; what was queued is dropped | –           |
 * | failed | what is queued, then throws the error    | end → ended      |
 */
export class TransactionQueue {
  readonly #maxBytes: number;
  #entries: Entry[] = [];
  #first = 0;
  #bytes = 0;
  #partialBytes = 0;
  #waiters: Waiter[] = [];
  #ended = false;
  #failure: { readonly error: unknown } | null = null;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that wait, those of the part that is being received included. */
  get bytes(): number {
    return this.#bytes + this.#partialBytes;
  }

  /** True when no more should be read before something is taken. */
  get full(): boolean {
    return this.#size > 0 && this.bytes > this.#maxBytes;
  }

  /** True when reading may go on after it was full. */
  get drained(): boolean {
    return this.#size === 0 || this.bytes <= this.#maxBytes / 2;
  }

  /** Counts a message of the part that is being received. */
  grow(bytes: number): void {
    this.#partialBytes += bytes;
  }

  /** The part that was being received has nothing to hand over. */
  dropPartial(): void {
    this.#partialBytes = 0;
  }

  /** The part that was being received is complete. */
  push(part: TransactionPart): void {
    const bytes = this.#partialBytes;
    this.#partialBytes = 0;
    if (this.#ended || this.#failure) return;
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.resolve(part);
      return;
    }
    this.#entries.push({ part, bytes });
    this.#bytes += bytes;
  }

  /** The oldest part if one is here; never waits. */
  takeNow(): TransactionPart | undefined {
    const entry = this.#entries[this.#first];
    if (!entry) return undefined;
    this.#first++;
    this.#bytes -= entry.bytes;
    this.#compact();
    return entry.part;
  }

  /** The oldest part, as soon as there is one; undefined when the queue has ended. */
  async take(): Promise<TransactionPart | undefined> {
    const part = this.takeNow();
    if (part || this.#ended) return part;
    if (this.#failure) throw this.#failure.error;
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  end(): void {
    this.#ended = true;
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(undefined);
  }

  fail(error: unknown): void {
    if (this.#ended || this.#failure) return;
    this.#failure = { error };
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  get #size(): number {
    return this.#entries.length - this.#first;
  }

  #compact(): void {
    if (this.#first === this.#entries.length) {
      this.#entries = [];
      this.#first = 0;
    } else if (this.#first >= compactAfter && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
