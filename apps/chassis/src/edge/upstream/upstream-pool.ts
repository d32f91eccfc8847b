import type { Dispatcher } from "undici";
import { Agent } from "undici";
import { QuartetError } from "../../error/quartet-error.ts";

/** One process that serves a class. */
export interface Upstream {
  readonly url: string;
  /** Until when it gets no requests, in ms of the process' monotonic clock; 0 while it answers. */
  downUntilMs: number;
  /** Failures in a row. */
  failures: number;
}

const firstPauseMs = 50;
const longestPauseMs = 1_000;

/**
 * The processes of one class behind keep-alive agents: one for work, and one for what waits, so that a hundred clients who
 * wait for operations do not keep all others from a process, nor its probes. One that cannot be reached is left out for a
 * while that grows with its failures, and is back with its first success.
 */
export class UpstreamPool implements AsyncDisposable {
  readonly upstreams: readonly Upstream[];
  readonly #working: Agent;
  readonly #waiting: Agent;
  #next = 0;

  constructor(urls: readonly string[]) {
    this.upstreams = urls.map((url) => ({ url: url.replace(/\/$/, ""), downUntilMs: 0, failures: 0 }));
    const settings = { keepAliveTimeout: 4_000, connectTimeout: 1_000 };
    this.#working = new Agent({ ...settings, connections: 128 });
    // As many as are let in to wait.
    this.#waiting = new Agent({ ...settings, connections: null });
  }

  get isEmpty(): boolean {
    return this.upstreams.length === 0;
  }

  /** Those that answer, the next in turn first; then those that did not lately, as a last resort. */
  candidates(now: number = performance.now()): Upstream[] {
    const count = this.upstreams.length;
    const start = this.#next++ % Math.max(1, count);
    const turned = [...this.upstreams.slice(start), ...this.upstreams.slice(0, start)];
    const up = turned.filter((upstream) => upstream.downUntilMs <= now);
    return up.length > 0 ? up : turned;
  }

  /** True when at least one process answers, as far as is known. */
  isUp(now: number = performance.now()): boolean {
    return this.upstreams.some((upstream) => upstream.downUntilMs <= now);
  }

  /** Sends a request to one upstream. Notes whether it could be reached; answers of any status count as reached. */
  async request(
    upstream: Upstream,
    { waits, ...options }: UpstreamRequest,
  ): Promise<Dispatcher.ResponseData> {
    const agent = waits ? this.#waiting : this.#working;
    try {
      const answer = await agent.request({ ...options, origin: upstream.url });
      upstream.failures = 0;
      upstream.downUntilMs = 0;
      return answer;
    } catch (error) {
      if (isUnreachable(error)) this.markDown(upstream);
      throw error;
    }
  }

  /** Leaves it out for a while: for `pauseMs`, or for longer with each failure in a row. */
  markDown(upstream: Upstream, now: number = performance.now(), pauseMs?: number): void {
    const growing = Math.min(longestPauseMs, firstPauseMs * 2 ** upstream.failures);
    upstream.failures += 1;
    upstream.downUntilMs = now + (pauseMs ?? growing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#working.destroy(), this.#waiting.destroy()]);
  }
}

export type UpstreamRequest = Omit<Dispatcher.RequestOptions, "origin"> & {
  /** It takes no connection that work waits for: it asks for health, or waits for an operation. Default: false. */
  readonly waits?: boolean;
};

/** Codes of errors that came before a connection was there: the request was certainly not seen. */
const neverSent: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "UND_ERR_CONNECT_TIMEOUT",
  "EHOSTUNREACH",
  "ENOTFOUND",
]);
const lost: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "UND_ERR_CLOSED"]);

/** True when the upstream certainly did not see the request. */
export function wasNeverSent(error: unknown): boolean {
  return neverSent.has(codeOf(error));
}

/** True when the connection failed, before or after the request was sent. */
export function isUnreachable(error: unknown): boolean {
  return neverSent.has(codeOf(error)) || lost.has(codeOf(error));
}

/** A network error as the public error it means. */
export function toUnavailable(error: unknown, what: string): QuartetError {
  if (error instanceof QuartetError) return error;
  return new QuartetError("unavailable", `${what} cannot be reached.`, {
    cause: error,
    retryAfterSeconds: 1,
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
