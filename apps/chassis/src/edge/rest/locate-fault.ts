import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Registry,
} from "@bufbuild/protobuf";
import { findField, itemMessage, nestedMessage } from "./message-field.ts";
import { isObject } from "./request-json.ts";

/** Where JSON does not fit its message, and why. */
export interface JsonFault {
  /** Such as `items[2].quantity`, spelled as in the JSON; empty for the message itself. */
  readonly path: string;
  readonly reason: string;
}

// The recursion limit of `fromJson`: what lies deeper was refused for its depth.
const MAX_DEPTH = 100;

/**
 * Finds the first place where `fromJson` refuses. `fromJson` names a field's type and name but not its place, so this
 * walks the JSON and gives it to `fromJson` in parts. Linear in the size of the JSON; meant for the error path.
 * Undefined when every part fits by itself (which leaves depth).
 */
export function locateFault(
  message: DescMessage,
  json: JsonValue,
  registry: Registry | undefined,
): JsonFault | undefined {
  return new FaultFinder(registry).inMessage(message, json, "", 0);
}

/** One member of a JSON object that is a field of the object's message. */
interface Slot {
  readonly parent: DescMessage;
  readonly field: DescField;
  readonly key: string;
  readonly value: JsonValue;
  readonly at: string;
  readonly depth: number;
}

class FaultFinder {
  readonly #registry: Registry | undefined;

  constructor(registry: Registry | undefined) {
    this.#registry = registry;
  }

  inMessage(message: DescMessage, json: JsonValue, path: string, depth: number): JsonFault | undefined {
    if (depth > MAX_DEPTH) return { path, reason: `nested deeper than ${MAX_DEPTH} messages` };
    if (!isObject(json)) return { path, reason: `expected an object, got ${nameKind(json)}` };
    const seen = new Map<string, string>();
    for (const [key, value] of Object.entries(json)) {
      const at = path === "" ? key : `${path}.${key}`;
      const field = findField(message, key);
      const fault =
        field === undefined
          ? this.#inUnknown(message, key, value, at)
          : this.#inField({ parent: message, field, key, value, at, depth }, seen);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** A key that is no field is an extension in brackets, or a fault. */
  #inUnknown(message: DescMessage, key: string, value: JsonValue, at: string): JsonFault | undefined {
    const fault = this.#try(message, key, value, at);
    return fault && !key.startsWith("[") ? { path: at, reason: "unknown field" } : fault;
  }

  #inField(slot: Slot, seen: Map<string, string>): JsonFault | undefined {
    const clash = checkSlot(slot, seen);
    if (clash !== undefined) return clash;
    const { parent, field, key, value, at, depth } = slot;
    const nested = nestedMessage(field);
    if (value === null) return this.#try(parent, key, value, at);
    if (nested !== undefined) return this.inMessage(nested, value, at, depth + 1);
    if (field.fieldKind === "list") return this.#inList(slot);
    if (field.fieldKind === "map") return this.#inMap(slot);
    return this.#try(parent, key, value, at);
  }

  #inList({ parent, field, key, value, at, depth }: Slot): JsonFault | undefined {
    if (!Array.isArray(value)) return { path: at, reason: `expected an array, got ${nameKind(value)}` };
    const nested = itemMessage(field);
    if (nested === undefined) {
      const index = firstRefused(value, (items) => this.#try(parent, key, [...items], at) !== undefined);
      return this.#try(parent, key, value.slice(index, index + 1), `${at}[${index}]`);
    }
    for (const [index, item] of value.entries()) {
      const place = `${at}[${index}]`;
      const fault =
        item === null
          ? this.#try(parent, key, [item], place)
          : this.inMessage(nested, item, place, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #inMap({ parent, field, key, value, at, depth }: Slot): JsonFault | undefined {
    if (!isObject(value)) return { path: at, reason: `expected an object, got ${nameKind(value)}` };
    const nested = itemMessage(field);
    const entries = Object.entries(value);
    const place = (entry: string | undefined) => `${at}[${JSON.stringify(entry)}]`;
    // Keys, and values that are no messages: those are looked into below.
    const outer = entries.map(([entry, item]): [string, JsonValue] => [
      entry,
      nested && item !== null ? {} : item,
    ]);
    const tryPart = (part: readonly [string, JsonValue][], path: string) => {
      return this.#try(parent, key, Object.fromEntries(part), path);
    };
    const index = firstRefused(outer, (part) => tryPart(part, at) !== undefined);
    const fault = tryPart(outer.slice(index, index + 1), place(entries[index]?.[0]));
    // Entry by entry all may be well: two spellings of one key, such as "1" and "01", are refused only together.
    if (fault !== undefined || index < entries.length) return fault ?? tryPart(outer, at);
    if (nested === undefined) return undefined;
    for (const [entry, item] of entries) {
      const inner = this.inMessage(nested, item, place(entry), depth + 1);
      if (inner !== undefined) return inner;
    }
    return undefined;
  }

  #try(parent: DescMessage, key: string, value: JsonValue, at: string): JsonFault | undefined {
    try {
      fromJson(parent, { [key]: value }, this.#registry === undefined ? {} : { registry: this.#registry });
      return undefined;
    } catch (error) {
      return { path: at, reason: cleanReason(error) };
    }
  }
}

/**
 * The index of the first item that is refused, found by halving, which costs about two decodes of the whole instead
 * of one call an item; the number of items when none is.
 */
function firstRefused<T>(items: readonly T[], refuses: (part: readonly T[]) => boolean): number {
  if (!refuses(items)) return items.length;
  let from = 0;
  let to = items.length;
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if (refuses(items.slice(from, middle))) to = middle;
    else from = middle;
  }
  return from;
}

/** The reason in a message of protobuf-es, without the names of types that mean nothing to a client. */
export function cleanReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message
    .replace(/^cannot decode .*? from JSON:? /, "")
    .replace(/^list item #\d+: /, "")
    .replace(/^map entry .*?: (?=expected )/, "");
  return reason.length > 200 ? `${reason.slice(0, 199)}…` : reason;
}

/** A field given under both its names, or two members of one oneof. */
function checkSlot({ field, key, value, at }: Slot, seen: Map<string, string>): JsonFault | undefined {
  const other = seen.get(`field ${field.name}`);
  if (other !== undefined) return { path: at, reason: `the same field as ${other}` };
  seen.set(`field ${field.name}`, key);
  // The members of a oneof that are scalars count as absent when null.
  if (field.oneof === undefined || (value === null && field.fieldKind === "scalar")) return undefined;
  const rival = seen.get(`oneof ${field.oneof.name}`);
  if (rival !== undefined) return { path: at, reason: `only one of ${rival} and ${key} may be given` };
  seen.set(`oneof ${field.oneof.name}`, key);
  return undefined;
}

/** The kind of a JSON value in words. */
export function nameKind(json: JsonValue): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  return typeof json === "object" ? "an object" : `a ${typeof json}`;
}
