import { create, type JsonValue } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type CausingEvent, CausingEventSchema } from "../gen/quartet/v1/intent_pb.ts";
import type { ReceivedEvent } from "./received-event.ts";

/** What a reaction decided about, for an intent that may have to be decided again. */
export function printCause(event: ReceivedEvent): CausingEvent {
  const { subscription, id, type, key, time, attempt, position = "", traceparent = "", data } = event;
  return create(CausingEventSchema, {
    ...{ subscription, id, type, key, attempt, position, traceparent },
    time: timestampFromDate(time),
    data: JSON.stringify(data),
  });
}

/** The event again, as its push brought it. */
export function readCause(cause: CausingEvent): ReceivedEvent {
  const { subscription, id, type, key, time, attempt, position, traceparent, data } = cause;
  return {
    ...{ subscription, id, type, key, attempt },
    time: time === undefined ? new Date() : timestampDate(time),
    position: position || undefined,
    traceparent: traceparent || undefined,
    data: JSON.parse(data) as JsonValue,
  };
}
