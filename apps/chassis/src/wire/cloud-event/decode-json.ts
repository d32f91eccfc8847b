import { QuartetError } from "../../error/quartet-error.ts";
import {
  type CloudEvent,
  fromWireAttributes,
  invalidAttribute,
  isReserved,
  type WireAttributes,
} from "./event-attributes.ts";
import { sliceElements, sliceMembers } from "./json-slices.ts";
import { isJsonType } from "./media-type.ts";

/** Decodes the body of a structured message (JSON format, 3). Errors name attributes. */
export function decodeStructured(body: Uint8Array): CloudEvent {
  const text = readJson(body);
  if (!text.startsWith("{")) throw malformed("A structured event is a JSON object.");
  return decodeEvent(text, "");
}

/** Decodes the body of a batch (JSON format, 4). Errors name the element too, such as `[2].id`. */
export function decodeBatch(body: Uint8Array): CloudEvent[] {
  const text = readJson(body);
  if (!text.startsWith("[")) throw malformed("A batch of events is a JSON array.");
  return sliceElements(text).map((element, index) => {
    if (!element.startsWith("{")) throw malformed("An event is a JSON object.", `[${index}]`);
    return decodeEvent(element, `[${index}].`);
  });
}

// Making one takes longer than decoding an event.
const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** The body as trimmed text that is known to be JSON. */
function readJson(body: Uint8Array): string {
  try {
    const text = decoder.decode(body);
    JSON.parse(text);
    return text.trim();
  } catch (cause) {
    throw malformed("The body is not JSON in UTF-8.", undefined, cause);
  }
}

function decodeEvent(text: string, prefix: string): CloudEvent {
  const members = new Map<string, string>();
  for (const [name, value] of sliceMembers(text)) {
    if (members.has(name)) throw invalidAttribute(prefix + name, "is given more than once");
    members.set(name, value);
  }
  const attributes: WireAttributes = new Map();
  for (const [name, value] of members) {
    if (name === "data" || name === "data_base64" || value === "null") continue;
    attributes.set(name, decodeAttribute(name, value, prefix));
  }
  const data = decodeData(members, attributes, prefix);
  return fromWireAttributes(attributes, data, (name) => prefix + name);
}

/** An attribute's canonical string (JSON format, 2.2). Core attributes are strings, and only strings pass as them. */
function decodeAttribute(name: string, value: string, prefix: string): string {
  if (value.startsWith('"')) return value.includes("\\") ? (JSON.parse(value) as string) : value.slice(1, -1);
  const path = prefix + name;
  if (isReserved(name)) throw invalidAttribute(path, "is not a string");
  if (value === "true" || value === "false") return value;
  // Integer: "Type System" limits it to 32 bits.
  if (/^-?\d+$/.test(value) && Number(value) === (Number(value) | 0)) return String(Number(value) | 0);
  throw invalidAttribute(path, "is not a string, a boolean or a 32-bit integer");
}

/** JSON format, 3.1.2. Sets `datacontenttype` where the format implies it, as the event may travel on in another. */
function decodeData(
  members: ReadonlyMap<string, string>,
  attributes: WireAttributes,
  prefix: string,
): Uint8Array | undefined {
  const text = members.get("data");
  const base64 = members.get("data_base64");
  const isBinary = base64 !== undefined && base64 !== "null";
  if (isBinary && text !== undefined) throw invalidAttribute(`${prefix}data`, "is given besides data_base64");
  if (isBinary) return decodeBase64(base64, `${prefix}data_base64`);
  if (text === undefined) return undefined;
  const mediaType = attributes.get("datacontenttype") ?? "application/json";
  attributes.set("datacontenttype", mediaType);
  if (isJsonType(mediaType)) return encoder.encode(text);
  if (text.startsWith('"')) return encoder.encode(JSON.parse(text) as string);
  throw invalidAttribute(`${prefix}data`, "must be a string, as datacontenttype is not JSON");
}

function decodeBase64(value: string, path: string): Uint8Array {
  const text: unknown = JSON.parse(value);
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
  if (bytes === undefined || bytes.toString("base64") !== text) throw invalidAttribute(path, "is not base64");
  return new Uint8Array(bytes);
}

function malformed(message: string, field?: string, cause?: unknown): QuartetError {
  return new QuartetError("malformed_body", message, { cause, ...(field === undefined ? {} : { field }) });
}
