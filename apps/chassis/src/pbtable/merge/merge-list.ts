import type { JsonValue } from "@bufbuild/protobuf";

/** A list as it is stored, as this build understood it, and as it shall be. */
export interface ListChange {
  readonly stored: readonly JsonValue[];
  readonly before: readonly JsonValue[];
  readonly after: readonly JsonValue[];
  /** Where in `stored` each element of `before` is; the others could not be read by this build. */
  readonly places: readonly number[];
  /** For elements of `after`, their index in `before`, or {@link fromElsewhere}, where that is known for sure. */
  readonly known: readonly (number | undefined)[];
  /** Whether an element may be an edited copy of one that was there. */
  readonly resembles: (before: JsonValue, after: JsonValue) => boolean;
}

/** In place of an index: the element is none of this list, or one of it that is there already. */
export const fromElsewhere = -1;

/**
 * Applies the difference between `before` and `after` to a stored list. Returns `stored` itself when nothing changed.
 *
 * - An element whose index in `before` is known keeps what only the store knows of it, wherever it moved and whatever
 *   was edited in it.
 * - Another one keeps it when it did not change, or when its place tells which one it was: see {@link findSources}.
 * - Elements that this build could not read at all stay, at their index or at the end.
 *
 * @param mergeElement merges the element of `after` at an index with its source in `stored`; without a source it gives
 * the element as it shall be stored
 */
export function mergeList(
  change: ListChange,
  mergeElement: (index: number, source: { stored: JsonValue; before: JsonValue } | undefined) => JsonValue,
): JsonValue {
  const { stored, before, after, places } = change;
  if (places.length !== before.length) return [...after];
  const sources = findSources(change);
  const merged = after.map((_, index) => {
    const source = sources[index] ?? -1;
    const [kept, known] = [stored[places[source] ?? -1], before[source]];
    const found = kept === undefined || known === undefined ? undefined : { stored: kept, before: known };
    return mergeElement(index, found);
  });
  const read = new Set(places);
  for (const [index, value] of stored.entries()) if (!read.has(index)) merged.splice(index, 0, value);
  const same = merged.length === stored.length && merged.every((value, index) => value === stored[index]);
  return same ? (stored as JsonValue[]) : merged;
}

/**
 * For each element of `after`, the index of the same element in `before`, each used once. Beside those known for sure:
 *
 * 1. Equal elements are the same, in place first.
 * 2. When nothing moved and the list did not shrink, those left are the elements of their places.
 * 3. Those left between two that were found are the elements that were there, when they are as many.
 *
 * By 2 and 3 only where they resemble each other: a new element in the place of another one is new.
 */
function findSources(change: ListChange): (number | undefined)[] {
  const sources = useOnce(change);
  if (sources.includes(undefined)) {
    findEqual(change, sources);
    findInPlace(change, sources);
    findBetween(change, sources);
  }
  return sources;
}

function useOnce({ after, known }: ListChange): (number | undefined)[] {
  const used = new Set<number>();
  return after.map((_, index) => {
    const source = known[index];
    if (source === undefined) return undefined;
    if (used.has(source)) return fromElsewhere;
    used.add(source);
    return source;
  });
}

function findEqual({ before, after }: ListChange, sources: (number | undefined)[]): void {
  const used = new Set(sources);
  // Both come from one encoder, so equal elements have equal texts.
  const texts = before.map((value) => JSON.stringify(value));
  const wanted = after.map((value, index) => (sources[index] === undefined ? JSON.stringify(value) : ""));
  for (const [index, text] of wanted.entries()) {
    if (sources[index] !== undefined || used.has(index) || text !== texts[index]) continue;
    sources[index] = index;
    used.add(index);
  }
  const free = new Map<string, number[]>();
  for (const [index, text] of texts.entries()) {
    if (!used.has(index)) free.set(text, [...(free.get(text) ?? []), index]);
  }
  for (const [index, text] of wanted.entries()) sources[index] ??= free.get(text)?.shift();
}

function findInPlace({ before, after, resembles }: ListChange, sources: (number | undefined)[]): void {
  const moved = sources.some((source, index) => source !== undefined && source >= 0 && source !== index);
  if (moved || after.length < before.length) return;
  const used = new Set(sources);
  for (const [index, known] of before.entries()) {
    if (sources[index] === undefined && !used.has(index) && resembles(known, after[index] ?? null)) {
      sources[index] = index;
    }
  }
}

function findBetween({ before, after, resembles }: ListChange, sources: (number | undefined)[]): void {
  const used = new Set(sources);
  let previous = -1;
  for (let index = 0; index < sources.length; index++) {
    const source = sources[index];
    if (source !== undefined) {
      if (source >= 0) previous = source;
      continue;
    }
    let end = index;
    while (end < sources.length && sources[end] === undefined) end++;
    const next = sources.slice(end).find((known) => known !== undefined && known >= 0) ?? before.length;
    const there = indexesBetween(previous, next).filter((candidate) => !used.has(candidate));
    for (const [offset, candidate] of there.length === end - index ? there.entries() : []) {
      const same = resembles(before[candidate] ?? null, after[index + offset] ?? null);
      if (same) sources[index + offset] = candidate;
    }
    index = end - 1;
  }
}

function indexesBetween(previous: number, next: number): number[] {
  return Array.from({ length: Math.max(0, next - previous - 1) }, (_, index) => previous + 1 + index);
}
