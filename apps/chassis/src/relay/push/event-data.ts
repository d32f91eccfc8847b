import { fromJsonString, type Registry, toBinary } from "@bufbuild/protobuf";
import type { LogEvent } from "../log/log-event.ts";
import { createDataRef } from "./data-ref.ts";
import type { PushPlan } from "./push-plan.ts";

/** An event's data as it is pushed: JSON text, bytes, or where it can be fetched. */
export type EventData =
  | { readonly kind: "json"; readonly text: string }
  | { readonly kind: "protobuf"; readonly bytes: Buffer }
  | { readonly kind: "reference"; readonly url: string };

/** For how long data that was pushed by reference can be fetched. */
const dataRefSeconds = 86_400;

/** The media type of an event's data, also of data behind a reference. */
export function dataContentType(data: EventData): string {
  return data.kind === "protobuf" ? "application/protobuf" : "application/json";
}

/**
 * An event's data in the format its subscription asks for. In the protobuf wire format only when the relay's build knows
 * the type and every field in it, so that nothing is lost; else as JSON. Data over the limit goes by reference, which is
 * to JSON.
 */
export function encodeEventData(plan: PushPlan, event: LogEvent): EventData {
  const bytes = plan.protobuf === undefined ? undefined : tryToBinary(plan.protobuf, event);
  const size = bytes?.length ?? measure(event.payload, plan.maxDataBytes);
  if (size > plan.maxDataBytes && plan.settings.relayUrl !== undefined) {
    return { kind: "reference", url: refer(plan, plan.settings.relayUrl, event) };
  }
  if (bytes !== undefined) return { kind: "protobuf", bytes };
  return { kind: "json", text: event.payload };
}

/** The bytes of a text in UTF-8; an upper bound when that is within the limit, which costs nothing. */
function measure(text: string, limit: number): number {
  const atMost = text.length * 3;
  return atMost <= limit ? atMost : Buffer.byteLength(text);
}

function tryToBinary(registry: Registry, event: LogEvent): Buffer | undefined {
  const schema = registry.getMessage(event.type);
  if (schema === undefined) return undefined;
  try {
    return Buffer.from(toBinary(schema, fromJsonString(schema, event.payload, { registry })));
  } catch {
    return undefined;
  }
}

function refer(plan: PushPlan, relayUrl: string, event: LogEvent): string {
  const [secret] = plan.secrets;
  if (secret === undefined) throw new TypeError("a push needs a secret");
  const expires = Math.floor(Date.now() / 1000) + dataRefSeconds;
  return createDataRef(relayUrl, secret, { subscription: plan.name, seq: event.seq, expires });
}
