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

/** Property names of the optional core attributes, by their names on the wire. */
const OPTIONAL_ENTRIES = [
  ["subject", "subject"],
  ["time", "time"],
  ["datacontenttype", "dataContentType"],
  ["dataschema", "dataSchema"],
] as const;

const REQUIRED = ["id", "source", "type"] as const;
const CORE: ReadonlySet<string> = new Set([...REQUIRED, ...OPTIONAL_ENTRIES.map(([wire]) => wire)]);
const RESERVED: ReadonlySet<string> = new Set([...CORE, "specversion", "data"]);
const NAME = /^[a-z0-9]{1,20}$/;
/** Names that have been found right: a look here takes a quarter as long as the expression. Few, as strangers choose names too. */
const knownNames = new Set<string>();
const maxKnownNames = 100;
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
  const attributes = new Map<string, string>([
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
  for (const [name, value] of attributes) {
    const reason = findFault(name, value, false);
    if (reason !== undefined) throw invalidAttribute(name, reason);
  }
  return Object.fromEntries(attributes);
}

/** The attributes of a message, from which its event is made, by their names on the wire. */
export class WireAttributes {
  // Core attributes are taken out at the end: what is left are the extensions.
  readonly #values: Record<string, string> = Object.create(null);
  #fault: { readonly name: string; readonly reason: string } | undefined;

  get(name: string): string | undefined {
    return this.#values[name];
  }

  /** Faults are told by {@link toEvent}: that something is missing is told first. `isPlain`: it holds U+0020–U+007E only. */
  set(name: string, value: string, isPlain = false): void {
    this.#values[name] = value;
    const reason = findFault(name, value, isPlain);
    if (reason !== undefined) this.#fault ??= { name, reason };
  }

  /**
   * The event; nothing can be set after it. `locate` says how errors name an attribute.
   *
   * @throws QuartetError `invalid_argument`.
   */
  toEvent(data: Uint8Array | undefined, locate: (name: string) => string): CloudEvent {
    const specversion = this.#take("specversion");
    if (specversion === undefined) throw invalidAttribute(locate("specversion"), "is missing");
    if (specversion !== "1.0") throw invalidAttribute(locate("specversion"), "is not 1.0");
    const [id, source, type] = [this.#take("id"), this.#take("source"), this.#take("type")];
    if (id === undefined) throw invalidAttribute(locate("id"), "is missing");
    if (source === undefined) throw invalidAttribute(locate("source"), "is missing");
    if (type === undefined) throw invalidAttribute(locate("type"), "is missing");
    if (this.#fault !== undefined) throw invalidAttribute(locate(this.#fault.name), this.#fault.reason);
    const optional: { -readonly [name in "subject" | "time" | "dataContentType" | "dataSchema"]?: string } =
      {};
    for (const [wire, property] of OPTIONAL_ENTRIES) {
      const value = this.#take(wire);
      if (value !== undefined) optional[property] = value;
    }
    return { id, source, type, ...optional, extensions: this.#values, data };
  }

  #take(name: string): string | undefined {
    const value = this.#values[name];
    if (value !== undefined) delete this.#values[name];
    return value;
  }
}

function findFault(name: string, value: string, isPlain: boolean): string | undefined {
  if (!isName(name)) return "is not an attribute name (1 to 20 of a-z and 0-9)";
  if (!isPlain && !PLAIN.test(value) && FORBIDDEN.test(value))
    return "holds a control character, a noncharacter or half a surrogate pair";
  if (value === "" && CORE.has(name)) return "is empty";
  if (name === "time" && !isTimestamp(value)) return "is not a time as in RFC 3339";
  if (name === "datacontenttype" && !isMediaType(value)) return "is not a media type";
  return undefined;
}

function isName(name: string): boolean {
  if (knownNames.has(name)) return true;
  if (!NAME.test(name) || name === "data") return false;
  if (knownNames.size < maxKnownNames) knownNames.add(name);
  return true;
}

/** An `invalid_argument` error about an attribute, header or member. */
export function invalidAttribute(path: string, reason: string, cause?: unknown): QuartetError {
  const field = path.length > 100 ? `${path.slice(0, 99)}…` : path;
  return new QuartetError("invalid_argument", `The event's ${field} ${reason}.`, { field, cause });
}
