import type { LogQuery } from "./event-log.ts";

/** Which types a query asks for; undefined: all. */
export function typeFilterOf(query: LogQuery): ((type: string) => boolean) | undefined {
  const { types, typePrefixes } = query;
  if (types.length === 0 && typePrefixes.length === 0) return undefined;
  const names = nameSetOf(types);
  return (type) => names.has(type) || typePrefixes.some((prefix) => type.startsWith(prefix));
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

/** A subscription asks with the same array each time. */
function nameSetOf(types: readonly string[]): ReadonlySet<string> {
  const known = sets.get(types);
  if (known !== undefined) return known;
  const set = new Set(types);
  sets.set(types, set);
  return set;
}
