/** What may go at once after a pause: of a second's events, and one at least. */
const burstSeconds = 0.1;

/**
 * A token bucket: so many events a second, and a tenth of a second's at once. What does not fit in a burst, such as a
 * batch, goes into debt, which is paid off before the next one goes: so the rate holds on average. Pure; times in ms of
 * one monotonic clock.
 */
export class RateLimit {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  /** @param perSecond 0: no limit */
  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond > 0 ? perSecond / 1_000 : Number.POSITIVE_INFINITY;
    this.#burst = Math.max(1, perSecond * burstSeconds);
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  /** How many events may go now; 0: none before `readyAtMs`. */
  available(nowMs: number): number {
    if (this.#perMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    return Math.max(0, Math.floor(this.#tokens));
  }

  spend(events: number): void {
    this.#tokens -= events;
  }

  /** When the next event may go, if none may now. */
  get readyAtMs(): number {
    return this.#atMs + Math.max(0, 1 - this.#tokens) / this.#perMs;
  }
}
