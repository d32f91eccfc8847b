import { QuartetError } from "../../error/quartet-error.ts";
import { AdaptiveLimit, type LimitBounds } from "./adaptive-limit.ts";
import type { LoadSample } from "./load-signals.ts";
import { LoopTurn } from "./loop-turn.ts";
import { Pace } from "./pace.ts";
import { type Priority, priorities, type Waiting, WaitingLine } from "./waiting-line.ts";

/** Where a request is counted: as work of a priority; or as one that reads or awaits an operation, which costs little. */
export type Lane = Priority | "operation" | "waiting";

/** How many may be in at once. */
export interface AdmissionBounds {
  readonly work: LimitBounds;
  /** Least and most that wait for their turn; between them as many as end within a second. */
  readonly line: { readonly min: number; readonly max: number };
  readonly operation: number;
  readonly waiting: number;
  /** Longest wait for a turn. */
  readonly maxWaitMs: number;
}

export const defaultBounds: AdmissionBounds = {
  work: { min: 16, initial: 256, max: 1_000 },
  line: { min: 128, max: 1_000 },
  operation: 1_000,
  waiting: 10_000,
  maxWaitMs: 2_000,
};

/** One that is let in says when it has gone. */
export type Leave = () => void;

const lookEveryMs = 100;
const retryAfterSeconds = 1;

/**
 * Lets requests in: so many at once as the process stands, a bounded number waits for a bounded time, and all others are
 * refused at once, the least important first. Overload so costs a refusal and not the service.
 *
 * States of a request: refused at once (line full); waiting -> in (its turn), refused (displaced by one of a higher
 * priority, or its time over), gone (its client left); in -> left. Nothing else is held of it.
 *
 * Who reads or awaits an operation has places of its own, so it learns the end of what was accepted whatever the load.
 */
export class Admission {
  readonly #bounds: AdmissionBounds;
  readonly #look: () => LoadSample;
  readonly #limit: AdaptiveLimit;
  readonly #line = new WaitingLine();
  readonly #turn = new LoopTurn();
  readonly #pace = new Pace();
  readonly #inside = { work: 0, operation: 0, waiting: 0 };
  readonly #refused: Record<Lane, number> = { query: 0, command: 0, push: 0, operation: 0, waiting: 0 };
  #sample: LoadSample | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #peak = 0;
  #sweep: NodeJS.Timeout | undefined;
  #moving = false;

  constructor(look: () => LoadSample, bounds: AdmissionBounds = defaultBounds) {
    this.#look = look;
    this.#bounds = bounds;
    this.#limit = new AdaptiveLimit(bounds.work);
  }

  /**
   * Resolves when it is let in.
   *
   * @param deadlineMs epoch: what nobody waits for any more is not begun
   * @param signal aborts when the client has gone
   * @throws QuartetError `unavailable` with Retry-After when it is refused, `deadline_exceeded`, `canceled`.
   */
  async enter(lane: Lane, deadlineMs: number, signal: AbortSignal): Promise<Leave> {
    this.#lookAround();
    if (lane === "operation" || lane === "waiting") return this.#take(lane);
    const mayBegin = this.#turn.mayBegin();
    const room = this.#inside.work < this.#limit.value && this.#line.length === 0;
    if (mayBegin && room) return this.#begin();
    return this.#await(lane, deadlineMs, signal);
  }

  /** For people and dashboards. */
  describe() {
    const { work, ...others } = this.#inside;
    return {
      limit: this.#limit.value,
      inFlight: work,
      ...others,
      queued: Object.fromEntries(priorities.map((name) => [name, this.#line.lengthOf(name)])),
      maxQueued: this.#maxLine(),
      refused: { ...this.#refused },
      ...this.#sample,
    };
  }

  #take(lane: "operation" | "waiting"): Leave {
    if (this.#inside[lane] >= this.#bounds[lane]) throw this.#refusal(lane);
    this.#inside[lane] += 1;
    return once(() => {
      this.#inside[lane] -= 1;
    });
  }

  #begin(): Leave {
    this.#inside.work += 1;
    this.#peak = Math.max(this.#peak, this.#inside.work);
    return once(() => {
      this.#inside.work -= 1;
      this.#pace.ended();
      this.#lookAround();
      this.#moveOn();
    });
  }

  async #await(lane: Priority, deadlineMs: number, signal: AbortSignal): Promise<Leave> {
    if (this.#line.length >= this.#maxLine()) {
      const displaced = this.#line.displace(lane);
      if (displaced === undefined) throw this.#refusal(lane);
      displaced.refuse();
    }
    const { promise, resolve, reject } = Promise.withResolvers<Leave>();
    const waitMs = Math.min(this.#bounds.maxWaitMs, deadlineMs - Date.now());
    const waiting: Waiting = {
      priority: lane,
      untilMs: performance.now() + waitMs,
      begin: () => resolve(this.#begin()),
      refuse: () => reject(Date.now() >= deadlineMs ? timeOver() : this.#refusal(lane)),
    };
    const goes = () => {
      this.#line.remove(waiting);
      reject(new QuartetError("canceled", "The client went before its turn came."));
    };
    signal.addEventListener("abort", goes, { once: true });
    this.#line.add(waiting);
    this.#sweepSoon();
    this.#moveOn();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", goes);
    }
  }

  /** Once a turn of the event loop, as long as there is room: between two of them, others (health) have theirs. */
  #moveOn(): void {
    if (this.#moving || this.#line.length === 0 || this.#inside.work >= this.#limit.value) return;
    this.#moving = true;
    setImmediate(() => {
      this.#moving = false;
      this.#letIn(this.#turn.share());
      this.#moveOn();
    });
  }

  #letIn(most: number): void {
    for (let begun = 0; begun < most && this.#inside.work < this.#limit.value; ) {
      const next = this.#line.next();
      if (next === undefined) return;
      const late = next.untilMs <= performance.now();
      if (late) next.refuse();
      else next.begin();
      if (!late) begun += 1;
    }
  }

  /** Runs while somebody waits: whoever waits in vain hears of it in time. */
  #sweepSoon(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      this.#lookAround();
      for (const waiting of this.#line.takeExpired(performance.now())) waiting.refuse();
      this.#moveOn();
      if (this.#line.length > 0) this.#sweepSoon();
    }, lookEveryMs);
  }

  #lookAround(): void {
    const now = performance.now();
    const periodMs = now - this.#lookedMs;
    if (periodMs < lookEveryMs) return;
    this.#lookedMs = now;
    this.#pace.observe(periodMs);
    this.#sample = this.#look();
    this.#limit.observe(this.#sample.congestion.length > 0, this.#peak);
    this.#peak = this.#inside.work;
  }

  #maxLine(): number {
    const { min, max } = this.#bounds.line;
    return Math.min(max, Math.max(min, Math.floor(this.#pace.perSecond ?? 0)));
  }

  #refusal(lane: Lane): QuartetError {
    this.#refused[lane] += 1;
    return new QuartetError("unavailable", "This process has more to do than it can.", { retryAfterSeconds });
  }
}

function timeOver(): QuartetError {
  return new QuartetError("deadline_exceeded", "The request's time was over before its turn came.");
}

function once(run: () => void): Leave {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
