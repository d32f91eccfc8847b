import type { IncomingMessage, ServerResponse } from "node:http";
import { fromBinary, type JsonValue } from "@bufbuild/protobuf";
import type { CallScope } from "../command/handler-context.ts";
import { receiveEvent } from "../command/receive-event.ts";
import type { ReceivedEvent } from "../command/received-event.ts";
import type { Runtime } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { answerPush } from "../inbox/event-outcome.ts";
import { settleInKeyOrder } from "../inbox/in-key-order.ts";
import { type InboxEvent, parseEventData, toInboxEvent } from "../inbox/inbox-event.ts";
import { type Push, readPush } from "../inbox/read-push.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { encodeJson } from "../schema/json/json.ts";
import type { WebhookSecret } from "../wire/webhook/webhook-signature.ts";
import { answerReplies, requireReplies } from "./answer-replies.ts";
import { readCallMeta } from "./call-meta.ts";
import { fetchEventData } from "./fetch-event-data.ts";
import { maxPushBytes } from "./read-body.ts";
import { requestSignal } from "./request-signal.ts";
import { withinDeadline } from "./within-deadline.ts";

export const inboxPath = "/_quartet/inbox";

/** Keys of a batch that are worked off at once; each has a transaction of its own at a time. */
const maxKeysAtOnce = 8;

/**
 * `POST /_quartet/inbox`: events, as CloudEvents signed by the relay, in structured mode or as a batch. 204 means that the
 * effects of all are committed; a batch is else answered 200 with those that failed. A lambda answers with events.
 *
 * @throws QuartetError `wrong_class` without secrets; `unauthenticated` unless the signature is right; of a single event what its effect threw.
 */
export async function answerInbox(
  runtime: Runtime,
  secrets: readonly WebhookSecret[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (secrets.length === 0) throw noSecret();
  const push = await readPush(request, { secrets, maxBodyBytes: maxPushBytes });
  requireSignedWhole(push);
  if (runtime.found.serviceClass === "lambda") requireOne(push);
  const meta = readCallMeta(request.headers);
  const scope = {
    principal: "relay",
    deadlineMs: meta.deadlineMs,
    signal: requestSignal(response, meta.deadlineMs),
  };
  const replies: OutboxEvent[] = [];
  const events = push.events.map((event) => toInboxEvent(event, request.headers));
  const outcomes = await settleInKeyOrder(events, maxKeysAtOnce, async (event) => {
    replies.push(...(await withinDeadline(meta.deadlineMs, () => receive(runtime, event, scope))));
  });
  const [first] = outcomes;
  if (push.mode !== "batch" && first instanceof QuartetError) throw first;
  for (const outcome of outcomes) {
    if (outcome instanceof QuartetError && outcome.code === "internal") {
      runtime.log.error({ err: outcome.cause ?? outcome }, "an event of a batch failed");
    }
  }
  if (replies.length === 0) answerPush(response, push, outcomes);
  else {
    requireReplies(request);
    answerReplies(response, runtime.domain.name, replies);
  }
}

/** A process without a database starts without one, for it may have nothing but computes. The relay waits. */
function noSecret(): QuartetError {
  return new QuartetError("wrong_class", "This process has no secret to tell pushes from forged ones by.", {
    fix: "Set QUARTET_SECRET to the deployment's.",
  });
}

/** The signature covers the body alone: whatever says what is to be done must be inside it. */
function requireSignedWhole(push: Push): void {
  if (push.mode !== "binary") return;
  throw new QuartetError("unprocessable_event", "Events for the inbox are structured or a batch.", {
    field: "content-type",
  });
}

/** Which events of an answer are whose could not be told; a relay then sends the events of a batch one by one. */
function requireOne(push: Push): void {
  if (push.events.length <= 1) return;
  throw new QuartetError("unprocessable_event", "A lambda takes one event a request.");
}

async function receive(
  runtime: Runtime,
  event: InboxEvent,
  scope: CallScope,
): Promise<readonly OutboxEvent[]> {
  return receiveEvent(runtime, await toReceivedEvent(runtime, event, scope.signal), scope);
}

async function toReceivedEvent(
  runtime: Runtime,
  event: InboxEvent,
  signal: AbortSignal,
): Promise<ReceivedEvent> {
  const { id, type, key, attempt, time, subscription = "", extensions } = event;
  return {
    ...{ subscription, id, type, key, attempt },
    time: time === undefined ? new Date() : new Date(time),
    position: extensions["quartetposition"],
    traceparent: extensions["traceparent"],
    data: await readData(runtime, event, signal),
  };
}

/** The event's data as ProtoJSON, wherever and however they come. */
async function readData(runtime: Runtime, event: InboxEvent, signal: AbortSignal): Promise<JsonValue> {
  const { data, extensions, dataContentType = "", type } = event;
  const reference = extensions["dataref"];
  if (data === undefined && reference !== undefined) {
    return parseEventData(await fetchEventData(reference, signal));
  }
  const { registry } = runtime.domain;
  const desc = /^application\/protobuf\b/i.test(dataContentType) ? registry.getMessage(type) : undefined;
  return desc === undefined
    ? parseEventData(data)
    : encodeJson(desc, fromBinary(desc, data ?? new Uint8Array()), registry);
}
