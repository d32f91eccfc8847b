import { QuartetError } from "../../error/quartet-error.ts";
import { type CloudEvent, invalidAttribute, isReserved, WireAttributes } from "./event-attributes.ts";
import { firstPiece, nextPiece, walkMembers } from "./json-slices.ts";
import { isJsonType } from "./media-type.ts";

/** Decodes the body of a structured message (JSON format, 3). Errors name attributes. */
export function decodeStructured(body: Uint8Array): CloudEvent {
  const json = readJson(body);
  if (!isObject(json.value)) throw malformed("A structured event is a JSON object.");
  return decodeEvent(json, json.value, 0, "").event;
}

/** Decodes the body of a batch (JSON format, 4). Errors name the element too, such as `[2].id`. */
export function decodeBatch(body: Uint8Array): CloudEvent[] {
  const json = readJson(body);
  if (!Array.isArray(json.value)) throw malformed("A batch of events is a JSON array.");
  let at = firstPiece(json.text, 0);
  return json.value.map((element: unknown, index) => {
    if (!isObject(element)) throw malformed("An event is a JSON object.", `[${index}]`);
    const { event, end } = decodeEvent(json, element, at, `[${index}].`);
    at = nextPiece(json.text, end);
    return event;
  });
}

// Making one takes longer than decoding an event.
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A body that is JSON. */
interface JsonBody {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly value: unknown;
}

function readJson(bytes: Uint8Array): JsonBody {
  try {
    const text = decoder.decode(bytes);
    return { bytes, text, value: JSON.parse(text) };
  } catch (cause) {
    throw malformed("The body is not JSON in UTF-8.", undefined, cause);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The event that is at a place of the body, of which `members` is what the engine made. */
function decodeEvent(
  json: JsonBody,
  members: Readonly<Record<string, unknown>>,
  open: number,
  prefix: string,
): { readonly event: CloudEvent; readonly end: number } {
  const slices = sliceMembers(json.text, open);
  const names = Object.keys(members);
  // A parsed object has each name once, the text as often as it was sent.
  if (names.length !== slices.count) throw givenTwice(json.text, open, prefix);
  const attributes = new WireAttributes();
  for (const name of names) {
    const value = members[name];
    if (name === "data" || name === "data_base64" || value === null) continue;
    const text = typeof value === "string" ? value : printScalar(name, slices.others.get(name) ?? "", prefix);
    attributes.set(name, text);
  }
  const data = decodeData(json, members, slices, attributes, prefix);
  return { event: attributes.toEvent(data, (name) => prefix + name), end: slices.end };
}

/** What of an event's text its parsed value does not tell. */
interface MemberSlices {
  /** Of members, duplicates included. */
  readonly count: number;
  readonly data: { readonly start: number; readonly end: number } | undefined;
  /** The text of what is no string, by name: a parsed number does not tell how it was written. */
  readonly others: ReadonlyMap<string, string>;
  readonly end: number;
}

function sliceMembers(text: string, open: number): MemberSlices {
  let count = 0;
  let data: MemberSlices["data"];
  const others = new Map<string, string>();
  const end = walkMembers(text, open, (name, start, end) => {
    count += 1;
    if (name === "data") data = { start, end };
    else if (text[start] !== '"') others.set(name, text.slice(start, end));
  });
  return { count, data, others, end };
}

/** The error about the first member that is given again. */
function givenTwice(text: string, open: number, prefix: string): QuartetError {
  const names = new Set<string>();
  let twice: string | undefined;
  walkMembers(text, open, (name) => {
    if (names.has(name)) twice ??= name;
    names.add(name);
  });
  return invalidAttribute(prefix + (twice ?? ""), "is given more than once");
}

/** A boolean or integer in its canonical string form (JSON format, 2.2). Core attributes are none. */
function printScalar(name: string, text: string, prefix: string): string {
  const path = prefix + name;
  if (isReserved(name)) throw invalidAttribute(path, "is not a string");
  if (text === "true" || text === "false") return text;
  // Integer: "Type System" limits it to 32 bits.
  if (/^-?\d+$/.test(text) && Number(text) === (Number(text) | 0)) return String(Number(text) | 0);
  throw invalidAttribute(path, "is not a string, a boolean or a 32-bit integer");
}

/** JSON format, 3.1.2. Sets `datacontenttype` where the format implies it, as the event may travel on in another. */
function decodeData(
  { bytes, text }: JsonBody,
  members: Readonly<Record<string, unknown>>,
  { data }: MemberSlices,
  attributes: WireAttributes,
  prefix: string,
): Uint8Array | undefined {
  const base64 = members["data_base64"] ?? undefined;
  if (base64 !== undefined && data !== undefined) {
    throw invalidAttribute(`${prefix}data`, "is given besides data_base64");
  }
  if (base64 !== undefined) return decodeBase64(base64, `${prefix}data_base64`);
  if (data === undefined) return undefined;
  const given = attributes.get("datacontenttype");
  const mediaType = given ?? "application/json";
  if (given === undefined) attributes.set("datacontenttype", mediaType);
  if (isJsonType(mediaType)) return sliceBytes(bytes, text, data.start, data.end);
  const value = members["data"];
  if (typeof value === "string") return encodeText(value);
  throw invalidAttribute(`${prefix}data`, "must be a string, as datacontenttype is not JSON");
}

/** The bytes of a piece of the body's text; those of the body where every character is one byte, which costs a tenth. */
function sliceBytes(bytes: Uint8Array, text: string, start: number, end: number): Uint8Array {
  if (bytes.length !== text.length) return encodeText(text.slice(start, end));
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** By Buffer, which has a pool: TextEncoder asks the system for memory every time, and takes thrice as long. */
function encodeText(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text);
  return new Uint8Array(buffer, byteOffset, length);
}

function decodeBase64(text: unknown, path: string): Uint8Array {
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
  if (bytes === undefined || bytes.toString("base64") !== text) throw invalidAttribute(path, "is not base64");
  return new Uint8Array(bytes);
}

function malformed(message: string, field?: string, cause?: unknown): QuartetError {
  return new QuartetError("malformed_body", message, { cause, ...(field === undefined ? {} : { field }) });
}
