import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { receiveEvent } from "../command/receive-event.ts";
import type { ReceivedEvent } from "../command/received-event.ts";
import type { Runtime } from "../command/runtime.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { type CloudEvent, decodeCloudEvents } from "../wire/cloud-event/cloud-event.ts";
import { verifyWebhook, type WebhookSecret } from "../wire/webhook/webhook-signature.ts";
import { readCallMeta } from "./call-meta.ts";
import { maxPushBytes, readBody } from "./read-body.ts";
import { requestSignal } from "./request-signal.ts";
import { withinDeadline } from "./within-deadline.ts";

export const inboxPath = "/_quartet/inbox";

/**
 * `POST /_quartet/inbox`: one event, as a CloudEvent signed by the relay. 204 means that its effect is committed.
 *
 * @throws QuartetError `unauthenticated` unless the signature is right; else what the event's effect threw.
 */
export async function answerInbox(
  runtime: Runtime,
  secrets: readonly WebhookSecret[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "POST") {
    throw new QuartetError("method_not_allowed", "Events are posted.", { allow: ["POST"] });
  }
  const body = await readBody(request, maxPushBytes);
  verifyWebhook(secrets, request.headers, body, Math.floor(Date.now() / 1000));
  const [event, ...others] = decodeCloudEvents(request.headers, body);
  if (event === undefined || others.length > 0) {
    throw new QuartetError("unprocessable_event", "This endpoint takes one event a request.");
  }
  // The signature covers this id and the body: whatever else says what is to be done must be inside the body.
  if (event.id !== request.headers["webhook-id"] || !isStructured(request)) {
    throw new QuartetError(
      "unprocessable_event",
      "An event for the inbox is structured and signed under its own id.",
    );
  }
  const meta = readCallMeta(request.headers);
  const signal = requestSignal(response, meta.deadlineMs);
  const scope = { principal: "relay", deadlineMs: meta.deadlineMs, signal };
  await withinDeadline(meta.deadlineMs, receiveEvent(runtime, toReceivedEvent(event, request), scope));
  response.writeHead(204).end();
}

function isStructured(request: IncomingMessage): boolean {
  return /^application\/cloudevents\+json\s*(;|$)/i.test(request.headers["content-type"] ?? "");
}

function toReceivedEvent(event: CloudEvent, request: IncomingMessage): ReceivedEvent {
  const attempt = Number(request.headers["quartet-attempt"] ?? 1);
  return {
    subscription: event.extensions["quartetsubscription"] ?? "",
    id: event.id,
    type: event.type,
    key: event.extensions["partitionkey"] ?? event.id,
    time: event.time === undefined ? new Date() : new Date(event.time),
    attempt: Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1,
    position: event.extensions["quartetposition"],
    traceparent: event.extensions["traceparent"],
    data: parseData(event.data),
  };
}

function parseData(data: Uint8Array | undefined): JsonValue {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data)) as JsonValue;
  } catch (cause) {
    throw new QuartetError("malformed_body", "The event's data is not JSON.", { cause });
  }
}
