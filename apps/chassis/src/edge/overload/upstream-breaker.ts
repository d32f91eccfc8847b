import { QuartetError } from "../../error/quartet-error.ts";
import { CircuitBreaker, type Verdict } from "./circuit-breaker.ts";

/** How a call of a method ended, in a breaker's eyes. */
export interface Attempt<T> {
  /**
   * Whose fault it is: that of the connection, which all methods share; of the method, which others may be well without;
   * of none; or unknown, when it was given up too early to tell.
   */
  readonly fault: "connection" | "method" | "none" | "unknown";
  readonly value: T;
}

type Fault = Attempt<unknown>["fault"];

const ofConnection: Readonly<Record<Fault, Verdict>> = {
  connection: "faulty",
  method: "well",
  none: "well",
  unknown: "nothing",
};

const ofMethod: Readonly<Record<Fault, Verdict>> = {
  connection: "nothing",
  method: "faulty",
  none: "well",
  unknown: "nothing",
};

const byGravity = ["open", "half-open", "closed"] as const;

/**
 * The circuit breakers of one upstream: one for its connection, and one for each of its methods, so that a method whose
 * own dependency is away, or that is slow, keeps no caller from the others.
 */
export class UpstreamBreaker {
  readonly #connection = new CircuitBreaker();
  readonly #methods = new Map<string, CircuitBreaker>();

  /** The gravest of all: anything but `closed` says that some calls are not made. */
  get state(): CircuitBreaker["state"] {
    const states = new Set([this.#connection.state, ...Object.values(this.methods)]);
    return byGravity.find((state) => states.has(state)) ?? "closed";
  }

  /** Of the methods whose own breakers are not closed. */
  get methods(): Readonly<Record<string, CircuitBreaker["state"]>> {
    const states = [...this.#methods].map(([name, { state }]) => [name, state] as const);
    return Object.fromEntries(states.filter(([, state]) => state !== "closed"));
  }

  /**
   * @param method of the domain
   * @param call must not throw: what it says is what counts
   * @throws QuartetError `unavailable` without having called.
   */
  async run<T>(method: string, call: () => Promise<Attempt<T>>): Promise<T> {
    const connection = this.#connection.begin();
    if (connection === undefined) throw isOpen();
    const own = this.#of(method).begin();
    let fault: Fault = "unknown";
    try {
      if (own === undefined) throw isOpen();
      const attempt = await call();
      fault = attempt.fault;
      return attempt.value;
    } finally {
      connection.end(ofConnection[fault]);
      own?.end(ofMethod[fault]);
    }
  }

  #of(method: string): CircuitBreaker {
    const breaker = this.#methods.get(method) ?? new CircuitBreaker();
    this.#methods.set(method, breaker);
    return breaker;
  }
}

function isOpen(): QuartetError {
  return new QuartetError("unavailable", "Too many of the last calls failed: it is not called for a while.", {
    retryAfterSeconds: 1,
  });
}
