import { setTimeout as sleep } from "node:timers/promises";

/** How often something is read, and for how long whoever asks waits for it. */
export interface ReadingLimits {
  /** From the end of one reading to the beginning of the next, in ms. */
  readonly everyMs: number;
  readonly waitMs: number;
}

/**
 * Something that is costly to read, and that many may ask for: read when somebody asks, one at a time, and no more often
 * than every so many ms, however it ends.
 */
export class TimedReading<T> {
  readonly #read: () => Promise<T>;
  readonly #limits: ReadingLimits;
  #value: T | undefined;
  #endedMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(read: () => Promise<T>, limits: ReadingLimits) {
    this.#read = read;
    this.#limits = limits;
  }

  /**
   * What was read, at most `everyMs` ago. Undefined when it could not be read, or is not there within `waitMs`; then it
   * goes on, for whoever asks next. Never rejects.
   */
  async take(): Promise<T | undefined> {
    if (this.#running === undefined && performance.now() - this.#endedMs < this.#limits.everyMs) {
      return this.#value;
    }
    this.#running ??= this.#begin();
    const over = new AbortController();
    const limit = sleep(this.#limits.waitMs, undefined, { signal: over.signal }).catch(() => undefined);
    try {
      await Promise.race([this.#running, limit]);
    } finally {
      over.abort();
    }
    return this.#value;
  }

  async #begin(): Promise<void> {
    this.#value = undefined;
    try {
      this.#value = await this.#read();
    } catch {
      // Whoever asks sees that there is nothing.
    } finally {
      this.#endedMs = performance.now();
      this.#running = undefined;
    }
  }
}
