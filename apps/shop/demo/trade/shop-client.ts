import { setTimeout as delay } from "node:timers/promises";
import { Agent } from "undici";

/** A request to the shop's door. */
export interface ShopRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE" | "PATCH";
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as JSON; undefined when it is none. */
  readonly json: unknown;
}

/** Longest time one attempt may take. */
const attemptLimitMs = 20_000;
/** Longest time a request is sent again and again until it has a definite answer. */
const patienceMs = 90_000;
const firstPauseMs = 50;
const longestPauseMs = 2_000;

/** Statuses that say "not now"; 409 says it too where its code is one of those below. */
const notNow: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const notNowCodes: ReadonlySet<string> = new Set(["in_flight", "aborted"]);

/** Sends requests through the gateway, each with a deadline, and counts them. */
export class ShopClient implements AsyncDisposable {
  /** Requests with a definite answer. */
  done = 0;
  /** Attempts that were lost or answered with "not now". */
  retried = 0;
  /** Definite answers and failed attempts, by status or kind of network error. */
  readonly counts = new Map<string, number>();
  readonly #origin: string;
  readonly #agent: Agent;
  readonly #signal: AbortSignal;

  constructor(origin: string, connections: number, signal: AbortSignal) {
    this.#origin = origin;
    this.#signal = signal;
    this.#agent = new Agent({ connections, connectTimeout: 2_000, keepAliveTimeout: 4_000 });
  }

  /**
   * Sends a request, that does no harm when it is seen twice, until it has a definite answer.
   *
   * @throws Error when it has none in the end; the signal's reason when the day is over.
   */
  async settle(request: ShopRequest): Promise<Answer> {
    const untilMs = Date.now() + patienceMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      this.#signal.throwIfAborted();
      const answer = await this.#attempt(request);
      if (typeof answer !== "string" && !isNotNow(answer)) {
        this.done += 1;
        return answer;
      }
      this.retried += 1;
      if (Date.now() >= untilMs) {
        const last = typeof answer === "string" ? answer : `${answer.status}`;
        throw new Error(`${request.method} ${request.path} has no definite answer; the last one is ${last}.`);
      }
      await delay(pauseMs, undefined, { signal: this.#signal });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** An answer, or the code of the network error. */
  async #attempt(request: ShopRequest): Promise<Answer | string> {
    try {
      const { statusCode, headers, body } = await this.#agent.request({
        origin: this.#origin,
        path: request.path,
        method: request.method,
        headers: request.headers ?? {},
        body: request.body ?? null,
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(attemptLimitMs)]),
      });
      const text = await body.text();
      this.#count(String(statusCode));
      return { status: statusCode, headers, json: parseJson(text) };
    } catch (error) {
      const code = codeOf(error);
      this.#count(code);
      return code;
    }
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

/** A member of a JSON object that is a text. */
export function textAt(json: unknown, name: string): string | undefined {
  const value = typeof json === "object" && json !== null ? Object.entries(json) : [];
  const found = value.find(([key]) => key === name)?.[1];
  return typeof found === "string" ? found : undefined;
}

/** A header that was sent once. */
export function headerOf(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : undefined;
}

function isNotNow(answer: Answer): boolean {
  if (notNow.has(answer.status)) return true;
  return answer.status === 409 && notNowCodes.has(textAt(answer.json, "code") ?? "");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
