import { invalidAttribute } from "../../wire/cloud-event/event-attributes.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { PushPlan } from "./push-plan.ts";

/** Text that is valid, and needs no escape in JSON: nearly every attribute there is. */
const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/;
/** What a string of CloudEvents cannot hold ("Type System", String). */
const forbidden = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/**
 * The attributes of an event but for `specversion` and those of its data, as a list of names and values.
 *
 * Sequence and epoch are padded: CloudEvents integers are 32-bit, and strings of one length order like numbers.
 *
 * @throws QuartetError `invalid_argument` when the event has an id or type that no CloudEvent can carry. The rest, above
 * all its key, may be any text: control characters and the like are percent-encoded.
 */
export function pushAttributes(plan: PushPlan, event: LogEvent): string[] {
  const attributes = [
    "id",
    checked("id", event.eventId),
    "source",
    sourceOf(plan, event.source),
    "type",
    checked("type", event.type),
    "time",
    formatTime(event.committedAt),
    "sequence",
    event.seq.toString().padStart(19, "0"),
    "quartetepoch",
    event.epoch.toString().padStart(10, "0"),
    "quartetsubscription",
    plan.name,
  ];
  if (event.key !== "") {
    const key = encodeControls(event.key);
    attributes.push("subject", key, "partitionkey", key);
  }
  pushOptional(attributes, "quartetposition", event.position);
  pushOptional(attributes, "traceparent", event.traceparent);
  pushOptional(attributes, "correlationid", event.correlationId);
  pushOptional(attributes, "causationid", event.causationId);
  if (plan.isReplay) attributes.push("quartetreplay", "1");
  return attributes;
}

/** Where an event comes from, as a URI reference: the domain and its outbox. */
function sourceOf(plan: PushPlan, source: string): string {
  return `/quartet/${plan.settings.domainName}/${source}`;
}

/** JSON text of an attribute's value. */
export function quote(value: string): string {
  return plainText.test(value) ? `"${value}"` : JSON.stringify(value);
}

function pushOptional(attributes: string[], name: string, value: string | undefined): void {
  if (value !== undefined && value !== "") attributes.push(name, encodeControls(value));
}

function checked(name: string, value: string): string {
  if (plainText.test(value)) return value;
  if (value === "") throw invalidAttribute(name, "is empty");
  if (forbidden.test(value)) {
    throw invalidAttribute(name, "holds a control character, a noncharacter or half a surrogate pair");
  }
  return value;
}

// Events come in bursts of one commit, and printing a date costs as much as all other attributes together.
let lastTimeMs = Number.NaN;
let lastTime = "";

function formatTime(time: Date): string {
  const ms = time.getTime();
  if (ms !== lastTimeMs) {
    lastTime = time.toISOString();
    lastTimeMs = ms;
  }
  return lastTime;
}

/** The strings of CloudEvents hold no control characters and no noncharacters (section 3.1). */
function encodeControls(value: string): string {
  if (plainText.test(value)) return value;
  return value.replaceAll(/[\p{Cc}\p{Noncharacter_Code_Point}\p{Surrogate}]/gu, (character) => {
    const bytes = [...Buffer.from(character)];
    return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}
