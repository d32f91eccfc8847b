import { type CloudEvent, type EncodedEvents, toWireAttributes } from "./event-attributes.ts";
import { isJsonType } from "./media-type.ts";

/**
 * One event in structured mode (HTTP protocol binding, 3.2; JSON format, 3). JSON data is embedded as the text it is;
 * everything else, and JSON that is not UTF-8 or has blanks around it, goes as `data_base64`. Decoding gives the very
 * same bytes back.
 *
 * @throws QuartetError `invalid_argument` when the event is not valid.
 */
export function encodeStructured(event: CloudEvent): EncodedEvents {
  return message("application/cloudevents+json", encodeEvent(event));
}

/**
 * Events as a JSON batch (HTTP protocol binding, 3.3; JSON format, 4), in order, also none. Only for receivers that
 * asked for batches.
 *
 * @throws QuartetError `invalid_argument` when an event is not valid.
 */
export function encodeBatch(events: readonly CloudEvent[]): EncodedEvents {
  return message("application/cloudevents-batch+json", `[${events.map(encodeEvent).join(",")}]`);
}

function message(mediaType: string, text: string): EncodedEvents {
  return { headers: { "content-type": `${mediaType}; charset=utf-8` }, body: new TextEncoder().encode(text) };
}

function encodeEvent(event: CloudEvent): string {
  const attributes = JSON.stringify({ specversion: "1.0", ...toWireAttributes(event) });
  if (event.data === undefined) return attributes;
  return `${attributes.slice(0, -1)},${encodeData(event.data, event.dataContentType)}}`;
}

function encodeData(data: Uint8Array, mediaType: string | undefined): string {
  const text = mediaType !== undefined && isJsonType(mediaType) ? readJsonText(data) : undefined;
  if (text !== undefined) return `"data":${text}`;
  return `"data_base64":"${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")}"`;
}

/** The bytes as JSON text that can be embedded and cut out again; undefined when they are none. */
function readJsonText(data: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    JSON.parse(text);
    return text === text.trim() ? text : undefined;
  } catch {
    return undefined;
  }
}
