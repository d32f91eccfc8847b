import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhenResult,
} from "cockatiel";
import { QuartetError } from "../../error/quartet-error.ts";

/** How a call of an upstream ended, in the breaker's eyes. */
export interface Attempt<T> {
  /** It failed for a reason of the upstream's, and not of this request's. */
  readonly faulty: boolean;
  readonly value: T;
}

/** Of so many calls, half failed: at least of five. */
const lastCalls = { size: 20, threshold: 0.5, minimumNumberOfCalls: 5 };
/** Until it is tried again; twice as long after each try that fails. */
const pauses = { initialDelay: 500, maxDelay: 10_000 };

const names: Readonly<Record<CircuitState, string>> = {
  [CircuitState.Closed]: "closed",
  [CircuitState.Open]: "open",
  [CircuitState.HalfOpen]: "half-open",
  [CircuitState.Isolated]: "isolated",
};

/**
 * The circuit breaker of one upstream.
 *
 * closed -> open when half of its last calls were faulty; open -> half-open with the first call after a pause that grows;
 * half-open -> closed when that call ends well, open again when not. While it is open, or half-open for another call,
 * calls fail at once.
 */
export class UpstreamBreaker {
  readonly #policy: CircuitBreakerPolicy;

  constructor(pause: { readonly initialDelay: number; readonly maxDelay: number } = pauses) {
    this.#policy = circuitBreaker(
      handleWhenResult((attempt) => (attempt as Attempt<unknown>).faulty),
      { breaker: new CountBreaker(lastCalls), halfOpenAfter: new ExponentialBackoff(pause) },
    );
  }

  get state(): string {
    return names[this.#policy.state];
  }

  /**
   * @param call must not throw: what it says is what counts
   * @throws QuartetError `unavailable` without having called.
   */
  async run<T>(call: () => Promise<Attempt<T>>): Promise<T> {
    // Whoever comes while another tries would wait for the end of that call.
    if (this.#policy.state === CircuitState.HalfOpen) throw isOpen(undefined);
    try {
      return (await this.#policy.execute(call)).value;
    } catch (cause) {
      throw cause instanceof BrokenCircuitError ? isOpen(cause) : cause;
    }
  }
}

function isOpen(cause: unknown): QuartetError {
  return new QuartetError("unavailable", "Too many of the last calls failed: it is not called for a while.", {
    cause,
    retryAfterSeconds: 1,
  });
}
