import type { DescField, DescMessage, JsonValue } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { takesNull } from "../../schema/json/fit-json.ts";
import { isJsonMap, type JsonMap, own } from "../../schema/json/json-map.ts";
import { isAny, isWhole } from "../../schema/json/reachable.ts";
import { compareEnum, compareScalar } from "./compare-scalar.ts";
import type { KnownTypes } from "./known-types.ts";
import type { Remark, RemarkKind } from "./remark.ts";
import { fieldOfKey, pathOf, typeOfAny } from "./stored-shape.ts";

/** A stored message that parses, and what would be written in its place. */
export interface Recoded {
  readonly json: JsonValue;
  readonly encoded: JsonValue;
  readonly path: string;
}

export interface CompareContext {
  readonly types: KnownTypes;
  /** Whether the number at this key of a stored object or array has more digits than JavaScript read. */
  lostDigits(holder: object, key: string): boolean;
  add(kind: RemarkKind, path: string, detail: string): void;
}

/** One value: where it is stored, and what would be written in its place. */
interface Place {
  readonly holder: object;
  readonly key: string;
  readonly value: JsonValue;
  readonly encoded: JsonValue | undefined;
  readonly path: string;
}

/**
 * Compares by meaning, field by field, a stored message with what this build makes of it. Fields that are not stored
 * read as their defaults and are no difference; neither is `null`, which says the same.
 */
export function compareStored(desc: DescMessage, recoded: Recoded, context: CompareContext): void {
  const { json, encoded, path } = recoded;
  compareMessage(desc, { holder: {}, key: "", value: json, encoded, path }, context);
}

function compareMessage(desc: DescMessage, place: Place, context: CompareContext): void {
  const [wrapped] = desc.fields;
  if (isWrapperDesc(desc) && wrapped !== undefined) compareValue(wrapped, place, context);
  else if (isAny(desc)) compareAny(place, context);
  else if (!isWhole(desc)) compareFields(desc, place, context);
  else if (/Struct|Value$/.test(desc.typeName)) requireDigits(place, context);
  else if (desc.typeName === "google.protobuf.FieldMask" && place.value !== place.encoded) {
    context.add("changed", place.path, "reads as another field mask");
  }
  // A Timestamp or Duration that parses has one meaning, whatever its spelling.
}

function compareAny(place: Place, context: CompareContext): void {
  const { value, encoded, path } = place;
  const type = typeOfAny(value, context.types.registry);
  if (type === undefined || !isJsonMap(value) || !isJsonMap(encoded)) return;
  const { typeName, desc } = type;
  if (desc === undefined) {
    const { kind, detail } = context.types.remarkOnUnknown(typeName);
    context.add(kind, path, detail);
  } else if (isWhole(desc) || isAny(desc)) {
    const inside = { value: own(value, "value") ?? null, encoded: own(encoded, "value") };
    compareMessage(desc, { holder: value, key: "value", path, ...inside }, context);
  } else {
    compareFields(desc, place, context);
  }
}

function compareFields(desc: DescMessage, place: Place, context: CompareContext): void {
  const { value: stored, encoded, path } = place;
  if (!isJsonMap(stored) || !isJsonMap(encoded)) return;
  for (const [key, value] of Object.entries(stored)) {
    if (key === "@type") continue;
    const field = fieldOfKey(desc, key);
    const at = pathOf(path, key);
    if (field === undefined) context.add("unknown_key", at, "is no field of this build");
    else if (value !== null && !isOutdone(field, key, stored, { encoded, at }, context)) {
      const inside = { holder: stored, key, value, encoded: own(encoded, field.jsonName), path: at };
      compareField(field, inside, context);
    }
  }
}

/** Whether the value counts for nothing, because another one that is stored excludes it. */
function isOutdone(
  field: DescField,
  key: string,
  stored: JsonMap,
  { encoded, at }: { readonly encoded: JsonMap; readonly at: string },
  context: CompareContext,
): boolean {
  const twice = key !== field.jsonName && Object.hasOwn(stored, field.jsonName);
  const winner = field.oneof?.fields.find((other) => own(encoded, other.jsonName) !== undefined);
  const lost = winner !== undefined && winner !== field;
  if (twice) context.add("changed", at, `is not read: the field is stored as "${field.jsonName}" too`);
  else if (lost)
    context.add("changed", at, `is not read: "${winner.jsonName}" of the same oneof is stored too`);
  return twice || lost;
}

function compareField(field: DescField, place: Place, context: CompareContext): void {
  if (field.fieldKind === "list") compareItems(field, itemsOf(place, context, field), context);
  else if (field.fieldKind === "map") compareItems(field, entriesOf(place, context, field), context);
  else compareValue(field, place, context);
}

function compareItems(field: DescField, items: readonly Place[], context: CompareContext): void {
  for (const item of items) compareValue(field, item, context);
}

/** Of a list or map: one of its values. */
function compareValue(field: DescField, place: Place, context: CompareContext): void {
  if (field.message !== undefined) compareMessage(field.message, place, context);
  else if (field.enum !== undefined) note(compareEnum(field.enum, place.value), place, context);
  else note(compareScalar(field.scalar, place.value, place.encoded, isLost(place, context)), place, context);
}

function itemsOf({ value, encoded, path }: Place, context: CompareContext, field: DescField): Place[] {
  if (!Array.isArray(value)) return [];
  const written: readonly JsonValue[] = Array.isArray(encoded) ? encoded : [];
  const read = [...value.entries()].filter(([, item]) => item !== null || takesNull(field));
  if (read.length < value.length) context.add("changed", `${path}[]`, "is null, which is not read");
  // Unknown enum names are not written either; what is found at their places does not matter to them.
  return read.map(([index, item], place) => {
    return { holder: value, key: String(index), value: item, encoded: written[place], path: `${path}[]` };
  });
}

function entriesOf({ value, encoded, path }: Place, context: CompareContext, field: DescField): Place[] {
  if (!isJsonMap(value)) return [];
  const written: JsonMap = isJsonMap(encoded) ? encoded : {};
  return Object.entries(value).flatMap(([key, item]) => {
    const at = `${path}{}`;
    if (item === null && !takesNull(field)) {
      context.add("changed", at, "is null, which is not read");
    } else if (field.enum === undefined && !Object.hasOwn(written, key)) {
      // Keys have one spelling each: 1, true.
      context.add("changed", at, "would be written under another key");
    } else {
      return [{ holder: value, key, value: item, encoded: own(written, key), path: at }];
    }
    return [];
  });
}

/** Values without a schema are written as they were read; numbers alone can lose something. */
function requireDigits(place: Place, context: CompareContext): void {
  if (isLost(place, context)) {
    context.add("precision", place.path, "has more digits than double holds");
    return;
  }
  const { value: holder, path } = place;
  if (typeof holder !== "object" || holder === null) return;
  for (const [key, value] of Object.entries(holder as JsonMap)) {
    requireDigits({ holder, key, value, encoded: undefined, path }, context);
  }
}

function isLost(place: Place, context: CompareContext): boolean {
  return context.lostDigits(place.holder, place.key);
}

function note(fault: Omit<Remark, "path"> | undefined, place: Place, context: CompareContext): void {
  if (fault !== undefined) context.add(fault.kind, place.path, fault.detail);
}
