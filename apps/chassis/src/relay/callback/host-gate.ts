/** What a gate says of a callback that is about to be made. */
export type Admission =
  | { readonly kind: "go" }
  /** As many are under way as may be: no attempt is spent. */
  | { readonly kind: "busy"; readonly waitMs: number }
  /** The host has not answered its last ones: this one would not be answered either, and counts as tried. */
  | { readonly kind: "silent"; readonly waitMs: number };

/** Callbacks to one host under way at once, of 64 in all: with one host that hangs the others hardly notice it. */
export const mostUnderWay = 8;
/** Without an answer, one after another: then the host is silent. */
const silentAfter = 5;
const firstPauseMs = 2_000;
const longestPauseMs = 60_000;
/** Shortest wait of one that finds its host busy. */
const busyMs = 500;
/** How long a callback takes, as long as none of the host's has ended. */
const firstDurationMs = 100;

/**
 * What one host may have of the callbacks: so many at once, and while it is silent one now and then. Pure; times in ms of
 * one monotonic clock.
 *
 * Those that find it busy get turns, as far apart as callbacks to it end: however many wait for a slow host, they come back
 * about as fast as it takes them.
 *
 * Answering → silent (so many in a row were not answered) → asked (its pause is over; one is under way) → answering, or
 * silent for twice as long.
 */
export class HostGate {
  readonly #most: number;
  #active = 0;
  #unanswered = 0;
  #silentUntilMs = 0;
  #pauseMs = 0;
  #lastUsedMs = 0;
  #durationMs = firstDurationMs;
  #lastTurnMs = 0;

  /** @param most under way at once */
  constructor(most: number = mostUnderWay) {
    this.#most = most;
  }

  /** Begins a callback when it may: each one that goes has to end. */
  enter(nowMs: number, random: number = Math.random()): Admission {
    this.#lastUsedMs = nowMs;
    const isSilent = this.#pauseMs > 0;
    if (isSilent && (nowMs < this.#silentUntilMs || this.#active > 0)) {
      return { kind: "silent", waitMs: Math.max(firstPauseMs, this.#silentUntilMs - nowMs) };
    }
    if (this.#active >= this.#most) return { kind: "busy", waitMs: this.#nextTurn(nowMs, random) - nowMs };
    this.#active += 1;
    return { kind: "go" };
  }

  /** Turns that are too far away are another time's affair: then it is tried again, and has its turn anew. */
  #nextTurn(nowMs: number, random: number): number {
    const turnMs = Math.max(nowMs + busyMs, this.#lastTurnMs) + this.#durationMs / this.#most;
    if (turnMs > nowMs + longestPauseMs) return nowMs + (longestPauseMs * (1 + random)) / 2;
    this.#lastTurnMs = turnMs;
    return turnMs;
  }

  /** @param answered the host said something, whatever it was; undefined: nothing is known, since we cut it off */
  leave(nowMs: number, answered: boolean | undefined, durationMs: number): void {
    this.#active -= 1;
    this.#lastUsedMs = nowMs;
    if (answered === undefined) return;
    this.#durationMs += (Math.max(1, durationMs) - this.#durationMs) / 8;
    if (answered) {
      this.#unanswered = 0;
      this.#pauseMs = 0;
      return;
    }
    this.#unanswered += 1;
    if (this.#unanswered < silentAfter || nowMs < this.#silentUntilMs) return;
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, 2 * this.#pauseMs));
    this.#silentUntilMs = nowMs + this.#pauseMs;
  }

  /** Nothing is lost with it but what it has learned. */
  get isIdle(): boolean {
    return this.#active === 0;
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }
}
