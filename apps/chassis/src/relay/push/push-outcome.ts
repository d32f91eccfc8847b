import type { CloudEvent } from "../../wire/cloud-event/cloud-event.ts";

/**
 * What one attempt to push an event came to.
 *
 * - `acknowledged`: the subscriber has it.
 * - `retry`: this event may succeed later; its key waits.
 * - `away`: the endpoint as a whole does not answer; the subscription waits.
 * - `refused`: it will never be taken; it is a dead letter at once.
 * - `gone`: the subscriber wants no more events at all.
 */
export type PushOutcome = { readonly kind: "acknowledged" } | (PushFailure & { readonly kind: FailureKind });

export type FailureKind = "retry" | "away" | "refused" | "gone";

export interface PushFailure {
  /** URL of the attempt. */
  readonly destination: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** The start of the answer's body, or the network error. */
  readonly answer: string;
  readonly retryAfterMs: number | undefined;
  /** No connection could be made: the endpoint has certainly not seen the event. */
  readonly unreachable?: boolean;
  /** It was not tried: that costs none of its attempts. */
  readonly untried?: boolean;
}

/**
 * What a push says of its endpoint, for its window and its breaker.
 *
 * - `answered`: it judged what it was sent.
 * - `overloaded`: 429, 502, 503; no answer, or none in time.
 * - `unreachable`: no connection could be made.
 * - `unsent`: nothing was sent; nothing is known.
 */
export type EndpointVerdict = "answered" | "overloaded" | "unreachable" | "unsent";

/** What came of one push of one or several events. */
export interface PushAnswer {
  /** One for each event, in their order. */
  readonly outcomes: readonly PushOutcome[];
  /** Events that the answer carried, where the subscription asks for them and all was acknowledged. */
  readonly replies: readonly CloudEvent[];
  readonly endpoint: EndpointVerdict;
  readonly durationMs: number;
  /** URL of the push. */
  readonly destination: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
}

const retriedStatuses: ReadonlySet<number> = new Set([404, 408, 409, 425]);

/**
 * What an HTTP status says. 429, 502 and 503 speak of the endpoint; all others speak of the event.
 *
 * @param own the endpoint is a class of this domain: 401 (another secret) and 421 (another class than the environment
 * says) are then faults of the deployment, which will be mended, and not of the event
 */
export function classifyStatus(status: number, own: boolean): PushOutcome["kind"] {
  if (status >= 200 && status < 300) return "acknowledged";
  if (status === 410) return "gone";
  if (own && (status === 401 || status === 421)) return "away";
  if (status === 429 || status === 502 || status === 503) return "away";
  if (retriedStatuses.has(status) || status >= 500) return "retry";
  return "refused";
}

/** `Retry-After` in ms: seconds, or an HTTP date (RFC 9110, section 10.2.3). */
export function parseRetryAfter(text: string | undefined, now: number = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
