import type { DeliverySettings } from "./backoff.ts";

/** Under which state a push began. */
export type BreakerTicket = number;

export interface BreakerSettings {
  /** Failures in a row that open the circuit. */
  readonly openAfter: number;
  /** The pause of the first opening; each further one in a row doubles it. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** Longest `Retry-After` that is honoured. */
  readonly retryAfterMaxMs: number;
}

/** How a push failed that its endpoint did not judge. */
export interface EndpointFailure {
  /** No connection could be made. */
  readonly unreachable: boolean;
  readonly retryAfterMs: number | undefined;
}

const openAfter = 5;
const longestPauseMs = 2_000;
/** To a class of ours an attempt costs little, and somebody may be waiting. */
const longestOwnPauseMs = 250;
/** Even full jitter leaves a dead endpoint in peace for so long. */
const shortestPauseMs = 20;

/** A stranger says with `Retry-After` what it wants; a class of ours is asked again as soon as it may be back. */
export function breakerSettings(own: boolean, delivery: DeliverySettings): BreakerSettings {
  const longest = own ? longestOwnPauseMs : longestPauseMs;
  return {
    openAfter,
    firstPauseMs: Math.min(longest, delivery.delayMs),
    longestPauseMs: longest,
    retryAfterMaxMs: own ? Math.min(longest, delivery.retryAfterMaxMs) : delivery.retryAfterMaxMs,
  };
}

/**
 * Keeps pushes from an endpoint that is away. Pure: times are given, in ms of one monotonic clock.
 *
 * - `closed`: pushes go. An answer that judges its event, of whatever status, ends the row of failures. Leaves for
 *   `open` with `openAfter` failures in a row; at once when no connection could be made, or on a failure that says with
 *   `Retry-After` when to come back.
 * - `open`: none goes. The pause is random up to a bound that doubles with each opening in a row, or what `Retry-After`
 *   asked for when that is longer. Leaves for `half-open` with the first push that asks after the pause.
 * - `half-open`: that one push is under way as the probe, and no other. Leaves for `closed` when it is answered, for
 *   `open` when it fails, and for `open` with the pause over when it was not sent.
 *
 * What began under an earlier state and ends now changes nothing: it tells of an endpoint as it was.
 */
export class CircuitBreaker {
  readonly #settings: BreakerSettings;
  readonly #random: () => number;
  #state: "closed" | "open" | "half-open" = "closed";
  #ticket: BreakerTicket = 0;
  #failures = 0;
  #openings = 0;
  #retryAtMs = 0;

  /** @param random in [0, 1) */
  constructor(settings: BreakerSettings, random: () => number = Math.random) {
    this.#settings = settings;
    this.#random = random;
  }

  get state(): "closed" | "open" | "half-open" {
    return this.#state;
  }

  /** While open: when the probe may begin. Else in the past. */
  get retryAtMs(): number {
    return this.#retryAtMs;
  }

  /** Whether a push would be let through: `tryBegin` without its effect. */
  mayBegin(nowMs: number): boolean {
    return this.#state === "closed" || (this.#state === "open" && nowMs >= this.#retryAtMs);
  }

  /** A ticket for a push that begins now, to be handed back with what became of it; undefined: it may not begin. */
  tryBegin(nowMs: number): BreakerTicket | undefined {
    if (!this.mayBegin(nowMs)) return undefined;
    if (this.#state === "open") this.#enter("half-open");
    return this.#ticket;
  }

  /** The endpoint judged what it was sent. */
  answered(ticket: BreakerTicket): void {
    if (ticket !== this.#ticket) return;
    this.#failures = 0;
    this.#openings = 0;
    if (this.#state === "half-open") this.#enter("closed");
  }

  /** The endpoint did not. */
  failed(ticket: BreakerTicket, nowMs: number, failure: EndpointFailure): void {
    if (ticket !== this.#ticket) return;
    this.#failures += 1;
    const opens =
      this.#state === "half-open" ||
      failure.unreachable ||
      failure.retryAfterMs !== undefined ||
      this.#failures >= this.#settings.openAfter;
    if (opens) this.#open(nowMs, failure.retryAfterMs ?? 0);
  }

  /** The push ended without having been sent. */
  unsent(ticket: BreakerTicket): void {
    if (ticket === this.#ticket && this.#state === "half-open") this.#enter("open");
  }

  #open(nowMs: number, retryAfterMs: number): void {
    const { firstPauseMs, longestPauseMs: longest, retryAfterMaxMs } = this.#settings;
    const bound = Math.min(longest, firstPauseMs * 2 ** Math.min(this.#openings, 30));
    const jittered = Math.max(shortestPauseMs, this.#random() * bound);
    this.#retryAtMs = nowMs + Math.max(jittered, Math.min(retryAfterMs, retryAfterMaxMs));
    this.#openings += 1;
    this.#failures = 0;
    this.#enter("open");
  }

  #enter(state: "closed" | "open" | "half-open"): void {
    this.#state = state;
    this.#ticket += 1;
  }
}
