import type { Segment } from "./path-template.ts";

/**
 * Templates by segment. Lookup prefers, segment by segment from the left, a literal over `*` over `**`, and falls
 * back when the better branch has no value for the verb. It visits each node at most once, so no path is costly.
 */
export interface TrieNode<V> {
  readonly literals: Map<string, TrieNode<V>>;
  one: TrieNode<V> | undefined;
  /** Values of templates that end here, by verb. */
  readonly ends: Map<string, V>;
  /** Values of templates that end here with `**`, by verb. */
  readonly rests: Map<string, V>;
}

export function createTrieNode<V>(): TrieNode<V> {
  return { literals: new Map(), one: undefined, ends: new Map(), rests: new Map() };
}

/** Adds a value, or returns the one that already has this place and adds nothing. */
export function insertRoute<V>(root: TrieNode<V>, segments: readonly Segment[], verb: string, value: V) {
  let node = root;
  for (const segment of segments) {
    if (segment.kind === "rest") return putOnce(node.rests, verb, value);
    node = segment.kind === "one" ? oneChild(node) : literalChild(node, segment.text);
  }
  return putOnce(node.ends, verb, value);
}

/** A raw path segment with its decoded text, to compare with literals. */
export interface PathSegment {
  readonly raw: string;
  readonly text: string;
}

/** The value of the most specific template that matches all segments and has the verb. */
export function findRoute<V>(
  node: TrieNode<V>,
  path: readonly PathSegment[],
  verb: string,
  at = 0,
): V | undefined {
  for (const next of branches(node, path[at])) {
    const found = findRoute(next, path, verb, at + 1);
    if (found !== undefined) return found;
  }
  return (at === path.length ? node.ends.get(verb) : undefined) ?? node.rests.get(verb);
}

/** Adds to `verbs` every verb that some template matching all segments has. */
export function collectVerbs<V>(
  node: TrieNode<V>,
  path: readonly PathSegment[],
  verbs: Set<string>,
  at = 0,
): void {
  for (const next of branches(node, path[at])) collectVerbs(next, path, verbs, at + 1);
  const ends = at === path.length ? [...node.ends.keys()] : [];
  for (const verb of [...ends, ...node.rests.keys()]) verbs.add(verb);
}

function branches<V>(node: TrieNode<V>, segment: PathSegment | undefined): readonly TrieNode<V>[] {
  if (segment === undefined) return [];
  const literal = node.literals.get(segment.text);
  // `*` is one segment, and an empty one would make `/v1/orders/` an order without a name.
  const one = segment.raw === "" ? undefined : node.one;
  if (literal === undefined) return one === undefined ? [] : [one];
  return one === undefined ? [literal] : [literal, one];
}

function oneChild<V>(node: TrieNode<V>): TrieNode<V> {
  node.one ??= createTrieNode();
  return node.one;
}

function literalChild<V>(node: TrieNode<V>, text: string): TrieNode<V> {
  const known = node.literals.get(text);
  if (known !== undefined) return known;
  const child = createTrieNode<V>();
  node.literals.set(text, child);
  return child;
}

function putOnce<V>(values: Map<string, V>, verb: string, value: V): V | undefined {
  const known = values.get(verb);
  if (known === undefined) values.set(verb, value);
  return known;
}
