import type { DescField, JsonValue } from "@bufbuild/protobuf";

/** A JSON object. Keys may be any text, `__proto__` among them: read it by {@link own}, write it by {@link setOwn}. */
export interface JsonMap {
  [key: string]: JsonValue;
}

export function isJsonMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of a key of the object itself, never of its prototype. */
export function own(object: JsonMap, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Sets a key of the object itself: assigning `__proto__` would set its prototype. */
export function setOwn(object: JsonMap, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** What a stored object has for a field: by its JSON name, else by its proto name, which `fromJson` takes too. */
export function fieldValue(object: JsonMap, field: DescField): JsonValue | undefined {
  return own(object, field.jsonName) ?? own(object, field.name);
}
