import type { JsonValue, MessageInitShape, Registry } from "@bufbuild/protobuf";
import { durationFromMs, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type AttemptSchema,
  type DeadLetter,
  DeadLetterSchema,
  type EventHeadSchema,
} from "../../gen/quartet/v1/subscription_pb.ts";
import { deriveEventId } from "../../outbox/event-id.ts";
import { decodeStoredJson } from "../../schema/json/json.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { AttemptRecord } from "./attempts.ts";

/** The same event dies once in a subscription. */
export function letterIdOf(subscription: string, eventId: string): string {
  return deriveEventId(eventId, `dead/${subscription}`);
}

/** A dead letter as it is stored. */
export function parseLetter(json: string, registry: Registry): DeadLetter {
  return decodeStoredJson(DeadLetterSchema, JSON.parse(json) as JsonValue, registry);
}

export function headOf(event: LogEvent): MessageInitShape<typeof EventHeadSchema> {
  return {
    source: event.source,
    causationId: event.causationId ?? "",
    correlationId: event.correlationId ?? "",
    traceparent: event.traceparent ?? "",
    commitTime: timestampFromDate(event.committedAt),
    position: event.position ?? "",
    epoch: event.epoch,
  };
}

export function toAttempt(record: AttemptRecord): MessageInitShape<typeof AttemptSchema> {
  const { attempt, time, durationMs, destination, status, answer } = record;
  return {
    attempt,
    time: timestampFromDate(time),
    duration: durationFromMs(durationMs),
    destination,
    status,
    answer,
  };
}

/**
 * The event of a dead letter, when the log has dropped it.
 *
 * @param epoch of the log now, for letters of earlier builds, which do not know it
 */
export function eventOfLetter(letter: DeadLetter, epoch: number): LogEvent {
  const head = letter.eventHead;
  return {
    seq: letter.sequence,
    epoch: head?.epoch || epoch,
    source: head?.source || "main",
    eventId: letter.eventId,
    type: letter.eventType,
    key: letter.eventKey,
    payload: letter.eventData,
    causationId: head?.causationId || undefined,
    correlationId: head?.correlationId || undefined,
    traceparent: head?.traceparent || undefined,
    committedAt: head?.commitTime === undefined ? new Date(0) : timestampDate(head.commitTime),
    position: head?.position || undefined,
  };
}
