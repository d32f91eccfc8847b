import type { JsonValue } from "@bufbuild/protobuf";

/** A list as it is stored, as this build understood it, and as it shall be. */
export interface ListChange {
  readonly stored: readonly JsonValue[];
  readonly before: readonly JsonValue[];
  readonly after: readonly JsonValue[];
}

/**
 * Applies the difference between `before` and `after` to a stored list.
 *
 * - An element that did not change keeps what only the store knows of it, wherever it moved.
 * - An element that changed keeps it when its place tells which one it was: nothing moved and the list did not shrink.
 * - Elements that this build could not read at all (enum names it does not know) stay, at their index or at the end.
 */
export function mergeList(
  change: ListChange,
  mergeElement: (stored: JsonValue, before: JsonValue, after: JsonValue) => JsonValue,
): JsonValue[] {
  const { stored, before, after } = change;
  const places = placesOf(stored, before);
  if (places === undefined) return [...after];
  const sources = findSources(before, after);
  const inPlace =
    after.length >= before.length && sources.every((source, index) => (source ?? index) === index);
  const merged = after.map((value, index) => {
    const source = sources[index] ?? (inPlace ? index : undefined);
    if (source === undefined) return value;
    const kept = stored[places[source] ?? -1];
    const known = before[source];
    return kept === undefined || known === undefined ? value : mergeElement(kept, known, value);
  });
  const read = new Set(places);
  for (const [index, value] of stored.entries()) if (!read.has(index)) merged.splice(index, 0, value);
  return merged;
}

/**
 * Where each element of `before` is in `stored`. The two differ in length only when names of an enum were unknown;
 * those are strings, and so are the names left. Undefined when they do not fit.
 */
function placesOf(stored: readonly JsonValue[], before: readonly JsonValue[]): number[] | undefined {
  if (stored.length === before.length) return before.map((_, index) => index);
  const places: number[] = [];
  let next = 0;
  for (const value of before) {
    const place = stored.indexOf(value, next);
    if (place < 0) return undefined;
    places.push(place);
    next = place + 1;
  }
  return places;
}

/** For each element of `after`, the index of the same element in `before`, each used once: in place first. */
function findSources(before: readonly JsonValue[], after: readonly JsonValue[]): (number | undefined)[] {
  // Both come from one encoder, so equal elements have equal texts.
  const texts = before.map((value) => JSON.stringify(value));
  const wanted = after.map((value) => JSON.stringify(value));
  const sources = wanted.map((text, index) => (text === texts[index] ? index : undefined));
  const free = new Map<string, number[]>();
  for (const [index, text] of texts.entries()) {
    if (sources[index] !== index) free.set(text, [...(free.get(text) ?? []), index]);
  }
  return wanted.map((text, index) => sources[index] ?? free.get(text)?.shift());
}
