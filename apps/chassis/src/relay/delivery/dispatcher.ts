import { AimdWindow, type WindowTicket } from "../push/aimd-window.ts";
import { type BreakerTicket, breakerSettings, CircuitBreaker } from "../push/circuit-breaker.ts";
import type { PushAnswer } from "../push/push-outcome.ts";
import type { DeliveryState } from "./delivery-state.ts";
import type { EventLanes } from "./event-lanes.ts";
import type { PendingEvent } from "./pending-event.ts";
import { RateLimit } from "./rate-limit.ts";

/** Events on their way in one request. */
export interface PushUnderWay {
  readonly events: readonly PendingEvent[];
  /** The lanes they were taken from. */
  readonly lanes: EventLanes;
  readonly window: WindowTicket;
  readonly breaker: BreakerTicket;
  /** Pushes that the endpoint had acknowledged when this one began. */
  readonly acknowledgedBefore: number;
}

/** So many pushes acknowledged while one got no answer: then that one is to blame, and not the endpoint. */
const wellWhenAcknowledged = 3;

/**
 * Decides when the next push may begin, and of what: pushes under way stay within the endpoint's window, events within the
 * subscription's rate, and none goes while the circuit is open. Knows nothing of what a push does. Times in ms of one
 * monotonic clock.
 *
 * Retries have half of the pushes at most while other events wait, and leave one free while none does: however many keys
 * are parked at an endpoint that hangs for them, the others go on.
 */
export class Dispatcher {
  readonly #state: DeliveryState;
  readonly #window: AimdWindow;
  readonly #breaker: CircuitBreaker;
  readonly #rate: RateLimit;
  #active = 0;
  #activeRetries = 0;
  #acknowledged = 0;
  #lastWasRetry = false;
  #gatheringSinceMs: number | undefined;
  #wakeAtMs: number | undefined;

  /** @param manyHosts each of its pushes goes to an endpoint of its own, and the whole window is open from the start */
  constructor(state: DeliveryState, own: boolean, nowMs: number, manyHosts = false) {
    const { concurrency, rate, settings } = state.plan;
    this.#state = state;
    this.#window = new AimdWindow(concurrency, manyHosts ? concurrency : undefined);
    this.#breaker = new CircuitBreaker(breakerSettings(own, settings));
    this.#rate = new RateLimit(rate, nowMs);
  }

  /** Pushes under way. */
  get active(): number {
    return this.#active;
  }

  /** After `next` had nothing: when to ask again, unless something happens before. */
  get wakeAtMs(): number | undefined {
    return this.#wakeAtMs;
  }

  /** The next push; undefined: none may begin now. */
  next(nowMs: number): PushUnderWay | undefined {
    this.#wakeAtMs = undefined;
    if (this.#active >= this.#window.size) return undefined;
    const lanes = this.#choose(nowMs);
    if (lanes === undefined) return undefined;
    const allowed = this.#rate.available(nowMs);
    if (allowed < 1) return this.#sleep(this.#rate.readyAtMs);
    const breaker = this.#breaker.tryBegin(nowMs);
    if (breaker === undefined) {
      return this.#breaker.state === "open" ? this.#sleep(this.#breaker.retryAtMs) : undefined;
    }
    const { events, bytes } = this.#state.plan.limits;
    // A probe is one event: of a whole batch nobody could tell which one brings the endpoint down.
    const most = this.#breaker.state === "half-open" ? 1 : Math.min(events, allowed);
    return this.#begin(lanes, lanes.take({ events: most, bytes }), breaker);
  }

  #begin(lanes: EventLanes, events: readonly PendingEvent[], breaker: BreakerTicket): PushUnderWay {
    this.#rate.spend(events.length);
    this.#active += 1;
    this.#lastWasRetry = lanes === this.#state.retries;
    if (this.#lastWasRetry) this.#activeRetries += 1;
    else this.#gatheringSinceMs = undefined;
    return { events, lanes, window: this.#window.begin(), breaker, acknowledgedBefore: this.#acknowledged };
  }

  #sleep(untilMs: number): undefined {
    this.#wakeAtMs = Math.min(this.#wakeAtMs ?? Number.POSITIVE_INFINITY, untilMs);
    return undefined;
  }

  #choose(nowMs: number): EventLanes | undefined {
    const { fresh, retries } = this.#state;
    const hasFresh = fresh.hasReady && this.#isGathered(nowMs);
    const hasRetry = retries.hasReady && this.#activeRetries < this.#mostRetries(hasFresh);
    if (hasRetry && (!hasFresh || !this.#lastWasRetry)) return retries;
    return hasFresh ? fresh : undefined;
  }

  #mostRetries(hasFresh: boolean): number {
    const { size } = this.#window;
    return Math.max(1, hasFresh ? size >> 1 : size - 1);
  }

  /** Whether there are enough events for a push, or the first of them has waited long enough for others. */
  #isGathered(nowMs: number): boolean {
    const { maxWaitMs, limits } = this.#state.plan;
    if (maxWaitMs === 0 || this.#state.fresh.waiting >= limits.events) return true;
    this.#gatheringSinceMs ??= nowMs;
    if (nowMs >= this.#gatheringSinceMs + maxWaitMs) return true;
    this.#sleep(this.#gatheringSinceMs + maxWaitMs);
    return false;
  }

  /**
   * A push has ended.
   *
   * @returns true when it got no answer although the endpoint is well: its events are to blame.
   */
  ended(push: PushUnderWay, answer: PushAnswer, nowMs: number): boolean {
    this.#active -= 1;
    if (push.lanes === this.#state.retries) this.#activeRetries -= 1;
    if (answer.outcomes.some(({ kind }) => kind === "acknowledged")) this.#acknowledged += 1;
    const isSilent = answer.endpoint === "overloaded" && answer.status === 0;
    const isToBlame = isSilent && this.#acknowledged - push.acknowledgedBefore >= wellWhenAcknowledged;
    if (answer.endpoint === "answered" || isToBlame) {
      this.#window.succeeded();
      this.#breaker.answered(push.breaker);
    } else {
      this.#noteFailure(push, answer, nowMs);
    }
    return isToBlame;
  }

  #noteFailure(push: PushUnderWay, answer: PushAnswer, nowMs: number): void {
    const failure = answer.outcomes.find((outcome) => outcome.kind === "away");
    const retryAfterMs = failure?.kind === "away" ? failure.retryAfterMs : undefined;
    // Nowhere to push to is as an endpoint that cannot be reached.
    const isUnreachable = answer.endpoint !== "overloaded" && failure !== undefined;
    if (answer.endpoint !== "unsent") this.#window.overloaded(push.window);
    if (answer.endpoint === "unsent" && failure === undefined) this.#breaker.unsent(push.breaker);
    else this.#breaker.failed(push.breaker, nowMs, { unreachable: isUnreachable, retryAfterMs });
  }
}
