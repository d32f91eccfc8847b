import type { DescField, DescMessage, JsonValue, Registry } from "@bufbuild/protobuf";
import { fieldValue, isJsonMap, type JsonMap, own, setOwn } from "./json-map.ts";
import { isAny, isWhole } from "./reachable.ts";

/**
 * Leaves out of stored JSON what builds may have written, each of them rightly, and `fromJson` refuses:
 *
 * - Several members of one oneof. A build that knows all of them stores one; so the later one was set by a build that
 *   did not know the other, which makes it the older member: the one with the lowest number stays.
 * - A field under its proto name beside its JSON name: the JSON name, which the generated columns read, stays.
 * - `null` in lists and maps, which SQL can put there.
 *
 * Returns `json` itself when there is no such thing in it.
 */
export function fitJson(desc: DescMessage, json: JsonValue, registry: Registry): JsonValue {
  if (!isJsonMap(json) || isWhole(desc)) return json;
  if (isAny(desc)) return fitAny(json, registry);
  const surplus = surplusKeys(desc, json);
  const fitted: JsonMap = {};
  let changed = surplus.size > 0;
  const fields = fieldsByKey(desc);
  for (const [key, value] of Object.entries(json)) {
    if (surplus.has(key)) continue;
    const field = fields.get(key);
    const fit = field === undefined ? value : fitField(field, value, registry);
    changed ||= fit !== value;
    setOwn(fitted, key, fit);
  }
  return changed ? fitted : json;
}

/** The members of a oneof that are stored and count for nothing, in order: all but the one with the lowest number. */
function surplusKeys(desc: DescMessage, json: JsonMap): Set<string> {
  const surplus = new Set<string>();
  for (const field of desc.fields) {
    const twice = field.name !== field.jsonName && Object.hasOwn(json, field.jsonName);
    if (twice && Object.hasOwn(json, field.name)) surplus.add(field.name);
  }
  for (const oneof of desc.oneofs) {
    const [, ...rest] = oneof.fields
      .filter((field) => isSet(field, fieldValue(json, field)))
      .sort((a, b) => a.number - b.number);
    for (const field of rest) surplus.add(field.jsonName).add(field.name);
    // A member that is null is none, and yet `fromJson` counts it.
    for (const field of oneof.fields) {
      if (own(json, field.jsonName) === null && !takesNull(field)) surplus.add(field.jsonName);
    }
  }
  return new Set([...surplus].filter((key) => Object.hasOwn(json, key)));
}

function isSet(field: DescField, value: JsonValue | undefined): boolean {
  return value !== undefined && (value !== null || takesNull(field));
}

/** Whether `null` is a value of the field, or of its elements. */
export function takesNull(field: DescField): boolean {
  return (
    field.message?.typeName === "google.protobuf.Value" ||
    field.enum?.typeName === "google.protobuf.NullValue"
  );
}

function fitField(field: DescField, value: JsonValue, registry: Registry): JsonValue {
  const fit = (element: JsonValue) =>
    field.message === undefined ? element : fitJson(field.message, element, registry);
  const kept = (element: JsonValue) => element !== null || takesNull(field);
  if (field.fieldKind === "list" && Array.isArray(value)) {
    const fitted = value.filter(kept).map(fit);
    const same = fitted.length === value.length && fitted.every((element, index) => element === value[index]);
    return same ? value : fitted;
  }
  if (field.fieldKind === "map" && isJsonMap(value)) {
    const entries = Object.entries(value);
    const fitted = entries
      .filter(([, element]) => kept(element))
      .map(([key, element]) => [key, fit(element)] as const);
    const same =
      fitted.length === entries.length &&
      fitted.every(([, element], index) => element === entries[index]?.[1]);
    return same ? value : (Object.fromEntries(fitted) as JsonMap);
  }
  return field.fieldKind === "message" ? fit(value) : value;
}

function fitAny(json: JsonMap, registry: Registry): JsonValue {
  const url = String(own(json, "@type") ?? "");
  const desc = registry.getMessage(url.slice(url.lastIndexOf("/") + 1));
  if (desc === undefined || isWhole(desc)) return json;
  if (!isAny(desc)) return fitJson(desc, json, registry);
  const value = own(json, "value") ?? null;
  const fitted = fitJson(desc, value, registry);
  return fitted === value ? json : { ...json, value: fitted };
}

function fieldsByKey(desc: DescMessage): ReadonlyMap<string, DescField> {
  return new Map(
    desc.fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field] as const]),
  );
}
