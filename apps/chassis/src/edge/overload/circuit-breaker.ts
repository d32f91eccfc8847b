import { CircuitState, CountBreaker, ExponentialBackoff } from "cockatiel";

/** What a call says of what the breaker stands for: of `nothing`, when it was given up, or got no further than others'. */
export type Verdict = "well" | "faulty" | "nothing";

/** A call that was let through. It must end. */
export interface Passage {
  end(verdict: Verdict): void;
}

/** Of so many calls, half failed: at least of five. */
const lastCalls = { size: 20, threshold: 0.5, minimumNumberOfCalls: 5 };
/** Until it is tried again, in ms; twice as long, more or less, after each trial that fails. */
const pauses = new ExponentialBackoff({ initialDelay: 500, maxDelay: 10_000 });

type Backoff = ReturnType<ExponentialBackoff<unknown>["next"]>;

type State =
  | { readonly name: "closed" }
  | { readonly name: "open"; readonly untilMs: number; readonly backoff: Backoff }
  | { readonly name: "half-open"; readonly backoff: Backoff };

const closed: State = { name: "closed" };

/**
 * A circuit breaker.
 *
 * | state | calls | left by |
 * |---|---|---|
 * | closed | pass | half of the last ones faulty: open |
 * | open | do not pass before its pause is over | the first one after it: half-open |
 * | half-open | one passes, the trial | its end: closed when well; when faulty open, for longer; when it says nothing open, for the next one to try |
 *
 * What a call that began in another state says is of a time that is over, and counts for nothing.
 */
export class CircuitBreaker {
  readonly #last = new CountBreaker(lastCalls);
  #state: State = closed;

  get state(): State["name"] {
    return this.#state.name;
  }

  /** Undefined when the call must not be made. */
  begin(): Passage | undefined {
    const state = this.#state;
    if (state.name === "half-open") return undefined;
    if (state.name === "closed") return { end: (verdict) => this.#count(verdict) };
    if (performance.now() < state.untilMs) return undefined;
    const trial: State = { name: "half-open", backoff: state.backoff };
    this.#state = trial;
    return { end: (verdict) => this.#decide(trial, verdict) };
  }

  #count(verdict: Verdict): void {
    if (this.#state.name !== "closed" || verdict === "nothing") return;
    if (verdict === "well") this.#last.success(CircuitState.Closed);
    else if (this.#last.failure(CircuitState.Closed)) this.#open(pauses.next());
  }

  #decide(trial: State & { readonly name: "half-open" }, verdict: Verdict): void {
    if (this.#state !== trial) return;
    if (verdict === "faulty") this.#open(trial.backoff.next(undefined));
    else if (verdict === "nothing") this.#state = { ...trial, name: "open", untilMs: 0 };
    else {
      this.#last.success(CircuitState.HalfOpen); // it forgets what was before
      this.#state = closed;
    }
  }

  #open(backoff: Backoff): void {
    this.#state = { name: "open", untilMs: performance.now() + backoff.duration, backoff };
  }
}
