import {
  type CloudEvent,
  type EncodedEvents,
  invalidAttribute,
  toWireAttributes,
  WireAttributes,
} from "./event-attributes.ts";
import { decodeHeaderValue, encodeHeaderValue } from "./header-value.ts";
import { type HttpHeaders, onlyValue } from "./http-headers.ts";
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

/** Decodes a message in binary mode, whose content type is known. Errors name headers. */
export function decodeBinary(
  headers: HttpHeaders,
  contentType: string | undefined,
  body: Uint8Array,
): CloudEvent {
  const attributes = new WireAttributes();
  for (const key of Object.keys(headers)) {
    const header = key.toLowerCase();
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    const raw = onlyValue(header, headers[key], attributes.get(name) !== undefined);
    if (raw === undefined) continue;
    const value = decodeAttribute(header, raw);
    // What needed no decoding is plain.
    attributes.set(name, value, value === raw);
  }
  if (contentType !== undefined) attributes.set("datacontenttype", contentType.trim());
  return attributes.toEvent(body.length === 0 ? undefined : body, locate);
}

function locate(name: string): string {
  return name === "datacontenttype" ? "content-type" : PREFIX + name;
}

function decodeAttribute(header: string, raw: string): string {
  if (header === `${PREFIX}datacontenttype`) {
    throw invalidAttribute(header, "must not be sent in binary mode; Content-Type says it");
  }
  const value = decodeHeaderValue(raw);
  if (value === undefined) throw invalidAttribute(header, "is not percent-encoded UTF-8");
  return value;
}
