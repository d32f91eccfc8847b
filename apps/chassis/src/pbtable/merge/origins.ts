import type { DescField, DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import { fieldValue, isJsonMap, type JsonMap, own } from "../../schema/json/json-map.ts";
import { localValue } from "../../schema/json/local-value.ts";
import { isAny, isWhole, reachesCollection } from "../../schema/json/reachable.ts";
import { readablePlaces } from "./readable-places.ts";

/** What an element of a draft's lists and maps was made of. */
export interface Origin {
  readonly stored: JsonValue;
  readonly before: JsonValue;
  /** The list, as this build read it, that the element was in, and its index there. Undefined for the value of a map. */
  readonly list: readonly JsonValue[] | undefined;
  readonly index: number;
}

/** Origins by the objects of a draft. */
export type Origins = ReadonlyMap<object, Origin>;

const none: Origins = new Map();

/**
 * Records where each message in a draft's lists and maps came from, before somebody edits the draft: an object that is
 * still there afterwards, wherever it was moved, is the same element.
 *
 * @param draft a fresh clone of what `before` is the JSON of, which was read from `stored`
 */
export function trackOrigins(
  desc: DescMessage,
  draft: Message,
  stored: JsonValue,
  before: JsonValue,
): Origins {
  if (!reachesCollection(desc)) return none;
  const origins = new Map<object, Origin>();
  trackMessage(desc, draft, stored, before, origins);
  return origins;
}

function trackMessage(
  desc: DescMessage,
  draft: unknown,
  stored: JsonValue,
  before: JsonValue,
  origins: Map<object, Origin>,
): void {
  if (isAny(desc) || isWhole(desc) || !reachesCollection(desc)) return;
  if (!isJsonMap(stored) || !isJsonMap(before)) return;
  for (const field of desc.fields) {
    const message = field.message;
    const local = message === undefined ? undefined : localValue(field, draft as Message);
    if (message === undefined || isWhole(message) || local === undefined) continue;
    const [inStore, known] = [fieldValue(stored, field), own(before, field.jsonName)];
    if (inStore === undefined || known === undefined) continue;
    if (field.fieldKind === "message") trackMessage(message, local, inStore, known, origins);
    else trackElements(field, message, local as object, inStore, known, origins);
  }
}

function trackElements(
  field: DescField,
  message: DescMessage,
  elements: object,
  stored: JsonValue,
  before: JsonValue,
  origins: Map<object, Origin>,
): void {
  const list = Array.isArray(before) ? before : undefined;
  const inStore = Array.isArray(stored)
    ? readablePlaces(field, stored).map((place) => stored[place])
    : stored;
  for (const [key, element] of Object.entries(elements)) {
    // Lists and maps alike: elements by index or key.
    const origin = { stored: own(inStore as JsonMap, key), before: own(before as JsonMap, key) };
    if (origin.stored === undefined || origin.before === undefined) continue;
    const { stored: elementStored, before: elementBefore } = origin;
    origins.set(element as object, {
      stored: elementStored,
      before: elementBefore,
      list,
      index: Number(key),
    });
    trackMessage(message, element, elementStored, elementBefore, origins);
  }
}
