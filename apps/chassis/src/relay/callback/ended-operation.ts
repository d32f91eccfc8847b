import type { JsonValue, Registry } from "@bufbuild/protobuf";
import { toOperation } from "../../edge/operation-answer.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { OperationEndedSchema } from "../../gen/quartet/v1/callback_pb.ts";
import { OperationSchema } from "../../gen/quartet/v1/operation_pb.ts";
import { decodeStoredJson, encodeJson } from "../../schema/json/json.ts";
import type { LogEvent } from "../log/log-event.ts";

/** An event of the log as a callback. */
export interface Callback {
  readonly url: URL;
  /** Whose command it was. */
  readonly principal: string;
  /** The same event, whose data is the operation as clients see it. */
  readonly event: LogEvent;
}

/** @throws QuartetError `unprocessable_event` when the event is not an operation's end with a URL. */
export function readCallback(event: LogEvent, registry: Registry): Callback {
  try {
    const json = JSON.parse(event.payload) as JsonValue;
    const { callbackUrl, record } = decodeStoredJson(OperationEndedSchema, json, registry);
    const url = new URL(callbackUrl);
    if (record === undefined || !/^https?:$/.test(url.protocol))
      throw new TypeError("no record or no http(s) URL");
    const operation = encodeJson(OperationSchema, toOperation(record, event.position), registry);
    return { url, principal: record.principal, event: { ...event, payload: JSON.stringify(operation) } };
  } catch (cause) {
    throw new QuartetError("unprocessable_event", `Event ${event.eventId} is no end of an operation.`, {
      cause,
    });
  }
}
