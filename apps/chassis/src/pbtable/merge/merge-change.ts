import { isDeepStrictEqual } from "node:util";
import type { DescField, DescMessage, JsonValue, Message, Registry } from "@bufbuild/protobuf";
import { fieldValue, isJsonMap, type JsonMap, own } from "../../schema/json/json-map.ts";
import { localValue } from "../../schema/json/local-value.ts";
import { isAny, isWhole } from "../../schema/json/reachable.ts";
import { fromElsewhere, mergeList } from "./merge-list.ts";
import type { Origins } from "./origins.ts";
import { readablePlaces } from "./readable-places.ts";

/** A value as it is stored, as this build understood it, and as it shall be; the latter two canonical ProtoJSON. */
export interface Change {
  readonly stored: JsonValue;
  readonly before: JsonValue;
  readonly after: JsonValue;
}

/** What merging needs to know beside the change. */
export interface MergeContext {
  readonly registry: Registry;
  /** Where the elements of the edited message came from. */
  readonly origins: Origins;
}

/**
 * Applies to `stored` the difference between `before` and `after`, and nothing else. Returns `stored` itself when there
 * is none.
 *
 * Keys that only the store knows, enum names and Any types that this build does not know, and unchanged values stay as
 * they are, at every depth; so a writer never erases what it does not know. Of a oneof that changed, no other member
 * stays that this build knows. An element of a list or map is followed by its identity, where `draft` has it; for the
 * others see {@link mergeList}.
 *
 * @param draft the message that `after` is the JSON of; undefined when there is none to follow elements in
 */
export function mergeChange(
  desc: DescMessage,
  change: Change,
  draft: Message | undefined,
  context: MergeContext,
): JsonValue {
  const { stored, before, after } = change;
  if (isWhole(desc) || !isJsonMap(after)) return isSame(before, after) ? stored : after;
  const known = isJsonMap(stored) && isJsonMap(before);
  // A new message may hold elements that were elsewhere before.
  if (!known && context.origins.size === 0) return after;
  const objects = known ? { stored, before, after } : { stored: {}, before: {}, after };
  return isAny(desc) ? mergeAny(objects, context) : mergeFields(desc, objects, draft, context);
}

interface ObjectChange {
  readonly stored: JsonMap;
  readonly before: JsonMap;
  readonly after: JsonMap;
}

/** Another type inside an Any: nothing of the old one means anything in the new one. */
function mergeAny(change: ObjectChange, context: MergeContext): JsonValue {
  const { stored, before, after } = change;
  const url = own(after, "@type");
  const desc =
    typeof url === "string" ? context.registry.getMessage(url.slice(url.lastIndexOf("/") + 1)) : undefined;
  if (desc === undefined || isWhole(desc) || isAny(desc) || own(before, "@type") !== url) {
    return isSame(before, after) ? stored : after;
  }
  return mergeFields(desc, change, undefined, context);
}

function mergeFields(
  desc: DescMessage,
  change: ObjectChange,
  draft: Message | undefined,
  context: MergeContext,
): JsonValue {
  const merged = new Patch(change.stored);
  for (const field of desc.fields) mergeField(field, change, draft, context, merged);
  for (const oneof of desc.oneofs) {
    const changed = oneof.fields.some(
      ({ jsonName }) => !isSame(own(change.before, jsonName), own(change.after, jsonName)),
    );
    if (!changed) continue;
    for (const field of oneof.fields) if (!Object.hasOwn(change.after, field.jsonName)) merged.delete(field);
  }
  if (desc.proto.extensionRange.length > 0) mergeExtensions(change, merged);
  return merged.result();
}

function mergeField(
  field: DescField,
  change: ObjectChange,
  draft: Message | undefined,
  context: MergeContext,
  merged: Patch,
): void {
  const [before, after] = [own(change.before, field.jsonName), own(change.after, field.jsonName)];
  if (after === undefined) {
    if (before !== undefined) merged.delete(field);
    return;
  }
  const local = draft === undefined ? undefined : localValue(field, draft);
  const stored = fieldValue(change.stored, field);
  if (before === undefined || stored === undefined) {
    if (isSame(before, after)) return;
    merged.set(field, mergeValue(field, emptyChange(field, after), local, context));
    return;
  }
  const value = mergeValue(field, { stored, before, after }, local, context);
  if (value !== stored) merged.set(field, value);
}

/** Extensions are keys in brackets. They are changed as a whole. */
function mergeExtensions({ before, after }: ObjectChange, merged: Patch): void {
  for (const key of Object.keys({ ...before, ...after }).filter((name) => name.startsWith("["))) {
    const value = own(after, key);
    if (isSame(own(before, key), value)) continue;
    if (value === undefined) merged.deleteKey(key);
    else merged.setKey(key, value);
  }
}

/** A change from nothing: elements may still have come from elsewhere in the row. */
function emptyChange(field: DescField, after: JsonValue): Change {
  const nothing: JsonValue = field.fieldKind === "list" ? [] : field.fieldKind === "map" ? {} : null;
  return { stored: nothing, before: nothing, after };
}

function mergeValue(field: DescField, change: Change, local: unknown, context: MergeContext): JsonValue {
  const { stored, before, after } = change;
  if (field.fieldKind === "list" && Array.isArray(stored) && Array.isArray(before) && Array.isArray(after)) {
    return mergeElements(field, { stored, before, after }, local, context);
  }
  if (field.fieldKind === "map" && isJsonMap(stored) && isJsonMap(before) && isJsonMap(after)) {
    return mergeEntries(field, { stored, before, after }, local, context);
  }
  return mergeSingle(field, change, local, context);
}

/** A value, or an element of a list or map: one that came from elsewhere in the row brings its own past. */
function mergeSingle(field: DescField, change: Change, local: unknown, context: MergeContext): JsonValue {
  if (field.message === undefined) return isSame(change.before, change.after) ? change.stored : change.after;
  const origin = context.origins.get(local as object);
  const past = origin === undefined ? change : { ...origin, after: change.after };
  return mergeChange(field.message, past, local as Message | undefined, context);
}

function mergeElements(
  field: DescField,
  change: { stored: JsonValue[]; before: JsonValue[]; after: JsonValue[] },
  local: unknown,
  context: MergeContext,
): JsonValue {
  const { stored, before, after } = change;
  if (before.length === 0 && after.length === 0) return stored;
  const places = readablePlaces(field, stored);
  const asWhole = field.message === undefined || places.length !== before.length;
  if (asWhole && isSame(before, after)) return stored;
  const elements: readonly unknown[] = Array.isArray(local) ? local : [];
  const origins = elements.map((element) => context.origins.get(element as object));
  const known = origins.map((origin) => (origin?.list === before ? origin.index : origin && fromElsewhere));
  // Inside an Any nothing is followed: there, an element's place has to do.
  const resembles = (one: JsonValue, other: JsonValue) =>
    local === undefined || shareValue(field.message, one, other);
  return mergeList({ ...change, places, known, resembles }, (index, source) =>
    mergeSingle(
      field,
      { stored: null, before: null, ...source, after: after[index] ?? null },
      elements[index],
      context,
    ),
  );
}

/** Whether two messages have the same value in a field, other than the zero value. */
function shareValue(desc: DescMessage | undefined, one: JsonValue, other: JsonValue): boolean {
  if (desc === undefined || !isJsonMap(one) || !isJsonMap(other)) return true;
  return desc.fields.some((field) => {
    const value = own(one, field.jsonName);
    return value !== undefined && !isZero(field, value) && isSame(value, own(other, field.jsonName));
  });
}

function isZero(field: DescField, value: JsonValue): boolean {
  if (typeof value === "object") return value === null || Object.keys(value).length === 0;
  return [0, false, "", "0", field.enum?.values[0]?.name].includes(value);
}

function mergeEntries(
  field: DescField,
  change: ObjectChange,
  local: unknown,
  context: MergeContext,
): JsonValue {
  const { stored, before, after } = change;
  const values = (local ?? {}) as Readonly<Record<string, unknown>>;
  const merged = new Map(Object.entries(stored));
  let changed = false;
  for (const key of Object.keys(before))
    if (!Object.hasOwn(after, key)) changed = merged.delete(key) || changed;
  for (const [key, value] of Object.entries(after)) {
    const past = { stored: own(stored, key) ?? null, before: own(before, key) ?? null };
    if (!Object.hasOwn(stored, key) && isSame(own(before, key), value)) continue;
    const kept = mergeSingle(
      field,
      { ...past, after: value },
      Object.hasOwn(values, key) ? values[key] : undefined,
      context,
    );
    if (Object.hasOwn(stored, key) && kept === past.stored) continue;
    merged.set(key, kept);
    changed = true;
  }
  return changed ? Object.fromEntries(merged) : stored;
}

/** Most values are the same scalar. */
function isSame(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  return one === other || isDeepStrictEqual(one, other);
}

/** Changes of a stored object; the object itself stays as it is. */
class Patch {
  readonly #stored: JsonMap;
  #values: Map<string, JsonValue> | undefined;

  constructor(stored: JsonMap) {
    this.#stored = stored;
  }

  set(field: DescField, value: JsonValue): void {
    this.delete(field);
    this.setKey(field.jsonName, value);
  }

  /** Under its proto name too, where somebody wrote it by hand. */
  delete(field: DescField): void {
    this.deleteKey(field.jsonName);
    this.deleteKey(field.name);
  }

  setKey(key: string, value: JsonValue): void {
    this.#changed().set(key, value);
  }

  deleteKey(key: string): void {
    if (Object.hasOwn(this.#stored, key)) this.#changed().delete(key);
  }

  result(): JsonValue {
    return this.#values === undefined ? this.#stored : Object.fromEntries(this.#values);
  }

  #changed(): Map<string, JsonValue> {
    this.#values ??= new Map(Object.entries(this.#stored));
    return this.#values;
  }
}
