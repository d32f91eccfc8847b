import { QuartetError } from "../../error/quartet-error.ts";
import { isMediaType } from "./media-type.ts";
import { isTimestamp } from "./timestamp.ts";

/** An event by the CloudEvents specification 1.0.2, "Context Attributes". `specversion` is always `1.0`. */
export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  /** The media type of `data`; without it nothing is known of the bytes. */
  readonly dataContentType?: string;
  readonly dataSchema?: string;
  /** Extension attributes in their canonical string form. A decoded event's has no prototype. */
  readonly extensions: Readonly<Record<string, string>>;
  /** Raw bytes. Undefined: the event has no data. */
  readonly data: Uint8Array | undefined;
}

/** Headers and body of an HTTP message, in either direction. */
export interface EncodedEvents {
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

/** Attributes by their names on the wire, without data. A map: names are anybody's, and objects without prototype slow. */
export type WireAttributes = Map<string, string>;

/** Property names of the optional core attributes, by their names on the wire. */
const OPTIONAL = {
  subject: "subject",
  time: "time",
  datacontenttype: "dataContentType",
  dataschema: "dataSchema",
} as const;
const OPTIONAL_ENTRIES = Object.entries(OPTIONAL);

const REQUIRED = ["id", "source", "type"] as const;
const CORE: ReadonlySet<string> = new Set([...REQUIRED, ...Object.keys(OPTIONAL)]);
const RESERVED: ReadonlySet<string> = new Set([...CORE, "specversion", "data"]);
const NAME = /^[a-z0-9]{1,20}$/;
/** What nearly every value is: the other expression takes ten times as long. */
const PLAIN = /^[\x20-\x7e]*$/;
// "Type System", String: no control characters, no noncharacters, no half surrogate pairs.
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** Whether the specification itself gives the name a meaning, so that no extension can have it. */
export function isReserved(name: string): boolean {
  return RESERVED.has(name);
}

/**
 * The event's attributes as they go on the wire, without `specversion`.
 *
 * @throws QuartetError `invalid_argument` with the attribute as `field` when the event is not valid.
 */
export function toWireAttributes(event: CloudEvent): Readonly<Record<string, string>> {
  const attributes: WireAttributes = new Map([
    ["id", event.id],
    ["source", event.source],
    ["type", event.type],
  ]);
  for (const [wire, property] of OPTIONAL_ENTRIES) {
    const value = event[property];
    if (value !== undefined) attributes.set(wire, value);
  }
  for (const [name, value] of Object.entries(event.extensions)) {
    if (isReserved(name)) throw invalidAttribute(name, "is no extension");
    attributes.set(name, value);
  }
  checkAttributes(attributes, (name) => name);
  return Object.fromEntries(attributes);
}

/**
 * The event that attributes of the wire and data make. `locate` says how errors name an attribute.
 *
 * @throws QuartetError `invalid_argument`.
 */
export function fromWireAttributes(
  attributes: WireAttributes,
  data: Uint8Array | undefined,
  locate: (name: string) => string,
): CloudEvent {
  const specversion = attributes.get("specversion");
  if (specversion === undefined) throw invalidAttribute(locate("specversion"), "is missing");
  if (specversion !== "1.0") throw invalidAttribute(locate("specversion"), "is not 1.0");
  checkAttributes(attributes, locate);
  const extensions: Record<string, string> = Object.create(null);
  for (const [name, value] of attributes) {
    if (!RESERVED.has(name)) extensions[name] = value;
  }
  const optional: { -readonly [name in "subject" | "time" | "dataContentType" | "dataSchema"]?: string } = {};
  for (const [wire, property] of OPTIONAL_ENTRIES) {
    const value = attributes.get(wire);
    if (value !== undefined) optional[property] = value;
  }
  const [id = "", source = "", type = ""] = REQUIRED.map((name) => attributes.get(name));
  return { id, source, type, ...optional, extensions, data };
}

function checkAttributes(attributes: WireAttributes, locate: (name: string) => string): void {
  for (const name of REQUIRED) {
    if (!attributes.has(name)) throw invalidAttribute(locate(name), "is missing");
  }
  for (const [name, value] of attributes) {
    const reason = findFault(name, value);
    if (reason !== undefined) throw invalidAttribute(locate(name), reason);
  }
}

function findFault(name: string, value: string): string | undefined {
  if (!NAME.test(name) || name === "data") return "is not an attribute name (1 to 20 of a-z and 0-9)";
  if (!PLAIN.test(value) && FORBIDDEN.test(value))
    return "holds a control character, a noncharacter or half a surrogate pair";
  if (value === "" && CORE.has(name)) return "is empty";
  if (name === "time" && !isTimestamp(value)) return "is not a time as in RFC 3339";
  if (name === "datacontenttype" && !isMediaType(value)) return "is not a media type";
  return undefined;
}

/** An `invalid_argument` error about an attribute, header or member. */
export function invalidAttribute(path: string, reason: string, cause?: unknown): QuartetError {
  const field = path.length > 100 ? `${path.slice(0, 99)}…` : path;
  return new QuartetError("invalid_argument", `The event's ${field} ${reason}.`, { field, cause });
}
