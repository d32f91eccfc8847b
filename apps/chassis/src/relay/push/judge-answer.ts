import { mayCarryBatchFailures, parseBatchFailures } from "../../wire/batch-result.ts";
import { type CloudEvent, decodeCloudEvents } from "../../wire/cloud-event/cloud-event.ts";
import { essence } from "../../wire/cloud-event/media-type.ts";
import { isRefusedAddress } from "../../wire/http/guarded-connect.ts";
import type { PushedEvent } from "./encode-push.ts";
import {
  classifyStatus,
  type EndpointVerdict,
  type FailureKind,
  type PushFailure,
  type PushOutcome,
  parseRetryAfter,
} from "./push-outcome.ts";
import type { PushPlan } from "./push-plan.ts";
import type { BodyLimit, WireAnswer } from "./send-push.ts";

/** What an answer says of each event, and of the endpoint. */
export interface Judgement {
  readonly outcomes: readonly PushOutcome[];
  readonly replies: readonly CloudEvent[];
  readonly endpoint: EndpointVerdict;
}

const failureBytes = 1_024;
const batchFailuresBytes = 65_536;
const replyBytes = 8 * 1_048_576;

const acknowledged: PushOutcome = { kind: "acknowledged" };

/** What of an answer's body is read: all that says something of the events, and the start of a failure. */
export function limitBody(plan: PushPlan, count: number): BodyLimit {
  return (status, headers) => {
    if (status < 200 || status >= 300) return failureBytes;
    if (isReply(plan, status, headers)) return replyBytes;
    const mayFail = plan.mode === "batch" && mayCarryBatchFailures(first(headers["content-type"]));
    return mayFail ? Math.max(batchFailuresBytes, count * failureBytes) : 0;
  };
}

/** Whether an answer carries events (CloudEvents HTTP binding). A 202 is never a reply: nothing has been done yet. */
function isReply(plan: PushPlan, status: number, headers: Parameters<BodyLimit>[1]): boolean {
  if (!plan.subscription.replies || status !== 200) return false;
  const mode = essence(first(headers["content-type"]) ?? "");
  const isJson = mode === "application/cloudevents+json" || mode === "application/cloudevents-batch+json";
  return isJson || headers["ce-specversion"] !== undefined;
}

/** Judges the answer to a push of these events. */
export function judgeAnswer(
  plan: PushPlan,
  events: readonly PushedEvent[],
  answer: WireAnswer,
  destination: string,
): Judgement {
  if (answer.error !== undefined) return judgeSilence(events, answer, destination);
  const { status, headers, body } = answer;
  const kind = classifyStatus(status, plan.own);
  if (kind !== "acknowledged") {
    const retryAfterMs = parseRetryAfter(first(headers["retry-after"]));
    const outcome = fail(kind, { destination, status, answer: body.toString("utf8"), retryAfterMs });
    return all(events, outcome, kind === "away" ? "overloaded" : "answered");
  }
  if (isReply(plan, status, headers)) return judgeReply(events, answer, destination);
  if (plan.mode === "batch" && mayCarryBatchFailures(first(headers["content-type"]))) {
    return judgeBatch(plan, events, answer, destination);
  }
  return all(events, acknowledged, "answered");
}

function all(
  events: readonly PushedEvent[],
  outcome: PushOutcome,
  endpoint: EndpointVerdict,
  replies: readonly CloudEvent[] = [],
): Judgement {
  return { outcomes: events.map(() => outcome), replies, endpoint };
}

function judgeSilence(
  events: readonly PushedEvent[],
  { error, sent }: Extract<WireAnswer, { status: 0 }>,
  destination: string,
): Judgement {
  if (isRefusedAddress(error)) {
    // No endpoint that is away and comes back: the event has its attempts, and is a dead letter then.
    const refusal = { destination, status: 0, answer: describeError(error), retryAfterMs: undefined };
    return all(events, fail("retry", refusal), "answered");
  }
  const verdict = isOwnDoing(error) ? "unsent" : sent ? "overloaded" : "unreachable";
  return all(events, away(destination, describeError(error), !sent), verdict);
}

/** The push was cut off, or its target disposed: that tells nothing of the endpoint. */
function isOwnDoing(error: Error): boolean {
  return "code" in error && (error.code === "canceled" || error.code === "UND_ERR_DESTROYED");
}

/** With its code, which says more than some messages do. */
function describeError(error: Error): string {
  return "code" in error ? `${error.message} (${error.code})` : error.message;
}

/** An outcome that says nothing of the event: its endpoint did not judge it. */
export function away(destination: string, answer: string, unreachable: boolean): PushOutcome {
  return fail("away", { destination, status: 0, answer, retryAfterMs: undefined, unreachable });
}

/** What strangers write is kept in the database, which has no U+0000 and no half surrogate pairs. */
export function fail(kind: FailureKind, failure: PushFailure): PushOutcome {
  return { ...failure, kind, answer: failure.answer.replaceAll("\0", "\ufffd").toWellFormed() };
}

/** What is committed with the acknowledgement: a reply that did not come whole acknowledges nothing. */
function judgeReply(
  events: readonly PushedEvent[],
  answer: Exclude<WireAnswer, { status: 0 }>,
  destination: string,
): Judgement {
  const { status, headers, body } = answer;
  if (answer.end === "broken") {
    return all(events, away(destination, "the reply did not end", false), "overloaded");
  }
  const refuse = (reason: string): Judgement => {
    const outcome = fail("refused", { destination, status, answer: reason, retryAfterMs: undefined });
    return all(events, outcome, "answered");
  };
  if (answer.end === "cut") return refuse(`The reply is longer than ${replyBytes} bytes.`);
  try {
    return all(events, acknowledged, "answered", decodeCloudEvents(headers, body));
  } catch (error) {
    return refuse(`The reply is not CloudEvents: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Events that a 2xx does not name are acknowledged; but when the list of those it names is not whole, none is known. */
function judgeBatch(
  plan: PushPlan,
  events: readonly PushedEvent[],
  answer: Exclude<WireAnswer, { status: 0 }>,
  destination: string,
): Judgement {
  const { status, headers, body } = answer;
  if (answer.end === "broken") {
    return all(events, away(destination, "the results of the batch did not end", false), "overloaded");
  }
  if (answer.end === "cut" && body.includes('"batchItemFailures"')) {
    const reason = `the results of the batch are longer than ${body.length} bytes`;
    const outcome = fail("retry", { destination, status, answer: reason, retryAfterMs: undefined });
    return all(events, outcome, "answered");
  }
  const failures = parseBatchFailures(first(headers["content-type"]), body);
  if (failures.length === 0) return all(events, acknowledged, "answered");
  const byId = new Map(failures.map((failure) => [failure.eventId, failure]));
  const outcomes = events.map(({ event }): PushOutcome => {
    const failure = byId.get(event.eventId);
    const kind = failure === undefined ? "acknowledged" : classifyStatus(failure.status, plan.own);
    if (failure === undefined || kind === "acknowledged") return acknowledged;
    const { status, detail = "", retryAfterSeconds: seconds } = failure;
    const retryAfterMs = seconds === undefined ? undefined : seconds * 1000;
    return fail(kind, { destination, status, answer: detail, retryAfterMs });
  });
  const isOverloaded = outcomes.some(({ kind }) => kind === "away");
  return { outcomes, replies: [], endpoint: isOverloaded ? "overloaded" : "answered" };
}

/** A header that was sent twice is a list, whatever its type says. */
function first(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.[0];
}
