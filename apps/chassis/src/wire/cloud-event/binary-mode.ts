import {
  type CloudEvent,
  type EncodedEvents,
  fromWireAttributes,
  invalidAttribute,
  toWireAttributes,
  type WireAttributes,
} from "./event-attributes.ts";
import { decodeHeaderValue, encodeHeaderValue } from "./header-value.ts";
import { type HttpHeaders, pickHeaders } from "./http-headers.ts";
import { essence } from "./media-type.ts";

const PREFIX = "ce-";

/**
 * One event in binary mode (HTTP protocol binding, 3.1): attributes as `ce-` headers, data as the body, untouched. An
 * event with empty data arrives as one without data.
 *
 * @throws QuartetError `invalid_argument` when the event is not valid, or its data is itself CloudEvents, which a
 * receiver would take for structured mode.
 */
export function encodeBinary(event: CloudEvent): EncodedEvents {
  const { datacontenttype, ...attributes } = toWireAttributes(event);
  const headers: Record<string, string> = { [`${PREFIX}specversion`]: "1.0" };
  for (const [name, value] of Object.entries(attributes)) headers[PREFIX + name] = encodeHeaderValue(value);
  if (datacontenttype !== undefined) {
    if (essence(datacontenttype).startsWith("application/cloudevents")) {
      throw invalidAttribute("datacontenttype", "is CloudEvents and cannot be sent in binary mode");
    }
    headers["content-type"] = datacontenttype;
  }
  return { headers, body: event.data ?? new Uint8Array(0) };
}

/** Decodes a message in binary mode. Errors name headers. */
export function decodeBinary(headers: HttpHeaders, body: Uint8Array): CloudEvent {
  const picked = pickHeaders(headers, (name) => name.startsWith(PREFIX) || name === "content-type");
  const attributes: WireAttributes = new Map();
  for (const [name, raw] of picked) {
    if (name === "content-type") attributes.set("datacontenttype", raw.trim());
    else attributes.set(name.slice(PREFIX.length), decodeAttribute(name, raw));
  }
  return fromWireAttributes(attributes, body.length === 0 ? undefined : body, (name) => {
    return name === "datacontenttype" ? "content-type" : PREFIX + name;
  });
}

function decodeAttribute(name: string, raw: string): string {
  if (name === `${PREFIX}datacontenttype`) {
    throw invalidAttribute(name, "must not be sent in binary mode; Content-Type says it");
  }
  const value = decodeHeaderValue(raw);
  if (value === undefined) throw invalidAttribute(name, "is not percent-encoded UTF-8");
  return value;
}
