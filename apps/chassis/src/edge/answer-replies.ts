import type { IncomingMessage, ServerResponse } from "node:http";
import { QuartetError } from "../error/quartet-error.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { type CloudEvent, encodeBatch } from "../wire/cloud-event/cloud-event.ts";

/**
 * Whoever pushed must have said that it takes events as an answer, or they would be lost with the acknowledgement.
 *
 * @throws QuartetError `wrong_class`: the relay waits until the deployment is mended.
 */
export function requireReplies(request: IncomingMessage): void {
  const preferences = String(request.headers["prefer"] ?? "").split(",");
  if (preferences.some((preference) => preference.trim().toLowerCase() === "reply")) return;
  throw new QuartetError(
    "wrong_class",
    "A lambda has no outbox, and whoever pushed takes no events as answer.",
    {
      field: "Prefer",
      fix: 'Push with Prefer: reply: define the reaction with { class: "lambda" }, and start the relay with the same build.',
    },
  );
}

/** Answers a push with events, in order, for the relay to commit with its acknowledgement. */
export function answerReplies(
  response: ServerResponse,
  domainName: string,
  replies: readonly OutboxEvent[],
): void {
  const { headers, body } = encodeBatch(replies.map((reply) => toCloudEvent(domainName, reply)));
  response.writeHead(200, { ...headers, "Content-Length": body.length }).end(body);
}

function toCloudEvent(domainName: string, event: OutboxEvent): CloudEvent {
  const optional = {
    causationid: event.causationId,
    correlationid: event.correlationId,
    traceparent: event.traceparent,
    quartetdeliverafter: event.deliverAfter?.toISOString(),
  };
  const extensions: Record<string, string> = { partitionkey: event.aggregateId };
  for (const [name, value] of Object.entries(optional)) if (value !== undefined) extensions[name] = value;
  return {
    id: event.id,
    source: `/quartet/${domainName}/lambda`,
    type: event.type,
    subject: event.aggregateId,
    time: new Date().toISOString(),
    dataContentType: "application/json",
    extensions,
    data: Buffer.from(event.payload),
  };
}
