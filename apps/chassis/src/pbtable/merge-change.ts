import { isDeepStrictEqual } from "node:util";
import type { JsonValue } from "@bufbuild/protobuf";
import { mergeList } from "./merge-list.ts";

/**
 * Applies to `stored` the difference between `before` and `after`, and nothing else.
 *
 * `before` and `after` are what this build understood of the row and what it made of it. Keys that only the store
 * knows, unknown enum names and unchanged values stay as they are, at every depth; so a writer never erases what it
 * does not know. What lists keep is said at {@link mergeList}.
 */
export function mergeChange(stored: JsonValue, before: JsonValue, after: JsonValue): JsonValue {
  if (isDeepStrictEqual(before, after)) return stored;
  if (isObject(stored) && isObject(before) && isObject(after)) return mergeObject(stored, before, after);
  if (Array.isArray(stored) && Array.isArray(before) && Array.isArray(after)) {
    return mergeList({ stored, before, after }, mergeChange);
  }
  return after;
}

type JsonMap = { [key: string]: JsonValue };

function mergeObject(stored: JsonMap, before: JsonMap, after: JsonMap): JsonValue {
  // Another type inside an Any: nothing of the old one means anything in the new one.
  if (before["@type"] !== after["@type"]) return after;
  const merged = new Map(Object.entries(stored));
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) merged.delete(key);
  for (const [key, value] of Object.entries(after)) {
    const known = Object.hasOwn(before, key) ? before[key] : undefined;
    if (known !== undefined && isDeepStrictEqual(known, value)) continue;
    const kept = merged.get(key);
    merged.set(key, known === undefined || kept === undefined ? value : mergeChange(kept, known, value));
  }
  return Object.fromEntries(merged);
}

function isObject(value: JsonValue): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
