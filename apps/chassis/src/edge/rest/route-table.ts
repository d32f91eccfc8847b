import { QuartetError } from "../../error/quartet-error.ts";
import { badRoute, checkRoute, describeRule } from "./check-route.ts";
import type { RestRoute } from "./http-rule.ts";
import { invalidArgument } from "./invalid-argument.ts";
import { type PathTemplate, parsePathTemplate } from "./path-template.ts";
import { decodePercent } from "./percent-coding.ts";
import {
  collectVerbs,
  createTrieNode,
  findRoute,
  insertRoute,
  type PathSegment,
  type TrieNode,
} from "./route-trie.ts";

/** The routes of one listener. Immutable; matching never depends on the order in which routes were given. */
export interface RouteTable<T> {
  /**
   * The most specific route for a verb and the path of a request target, without its query. HEAD is answered by GET.
   * A literal outranks `*`, which outranks `**`, segment by segment from the left; a `:suffix` outranks none.
   *
   * @throws QuartetError `no_such_route`; `method_not_allowed` with `allow` when only other verbs match, and for
   * OPTIONS; `invalid_argument` when a variable's escapes are malformed or not UTF-8.
   */
  match(verb: string, path: string): RouteMatch<T>;
}

export interface RouteMatch<T> {
  readonly route: RestRoute<T>;
  /** Decoded texts by the field path the template gives. Has no prototype. */
  readonly variables: Readonly<Record<string, string>>;
}

interface Entry<T> {
  readonly route: RestRoute<T>;
  readonly template: PathTemplate;
}

/** A path read once with, once without taking what follows its last `:` for a template's suffix. */
interface Reading<T> {
  readonly root: TrieNode<Entry<T>>;
  readonly path: readonly PathSegment[];
}

/**
 * Builds the table.
 *
 * @throws QuartetError `invalid_argument` for a template that does not parse, a variable or body that names no fit
 * field, and two routes that match the very same requests.
 */
export function createRouteTable<T>(routes: readonly RestRoute<T>[]): RouteTable<T> {
  const roots = new Map<string, TrieNode<Entry<T>>>();
  for (const route of routes) {
    const template = parsePathTemplate(route.rule.template);
    checkRoute(route, template);
    const root = roots.get(template.suffix) ?? createTrieNode<Entry<T>>();
    roots.set(template.suffix, root);
    const known = insertRoute(root, template.segments, route.rule.verb, { route, template });
    if (known !== undefined) {
      throw badRoute(route.rule, `it matches the same requests as ${describeRule(known.route.rule)}`);
    }
  }
  return { match: (verb, path) => match(roots, verb, path) };
}

function match<T>(roots: ReadonlyMap<string, TrieNode<Entry<T>>>, verb: string, path: string): RouteMatch<T> {
  const readings = read(roots, path);
  const wanted = verb === "HEAD" ? "GET" : verb;
  for (const reading of readings) {
    const entry = findRoute(reading.root, reading.path, wanted);
    if (entry !== undefined) return { route: entry.route, variables: bind(entry.template, reading.path) };
  }
  throw refuse(readings, verb, path);
}

function read<T>(roots: ReadonlyMap<string, TrieNode<Entry<T>>>, path: string): Reading<T>[] {
  if (!path.startsWith("/")) return [];
  const segments = path === "/" ? [] : path.slice(1).split("/").map(pathSegment);
  const last = segments.at(-1)?.raw ?? "";
  const colon = last.lastIndexOf(":");
  const suffix = colon < 0 ? "" : last.slice(colon + 1);
  const suffixed = suffix === "" ? undefined : roots.get(suffix);
  const plain = roots.get("");
  const readings: Reading<T>[] = [];
  if (suffixed !== undefined) {
    const stem = [...segments.slice(0, -1), pathSegment(last.slice(0, colon))];
    readings.push({ root: suffixed, path: stem });
  }
  if (plain !== undefined) readings.push({ root: plain, path: segments });
  return readings;
}

function pathSegment(raw: string): PathSegment {
  return { raw, text: decodePercent(raw, false) ?? raw };
}

function bind(template: PathTemplate, path: readonly PathSegment[]): Record<string, string> {
  const values: Record<string, string> = Object.create(null);
  for (const variable of template.variables) {
    const isLast = variable.end === template.segments.length;
    const covered = path.slice(variable.start, isLast ? undefined : variable.end);
    const raw = covered.map((segment) => segment.raw).join("/");
    const text = decodePercent(raw, variable.multi);
    if (text === undefined)
      throw invalidArgument(variable.path, "the path holds an escape that is not UTF-8");
    values[variable.path] = text;
  }
  return values;
}

function refuse<T>(readings: readonly Reading<T>[], verb: string, path: string): QuartetError {
  const verbs = new Set<string>();
  for (const reading of readings) collectVerbs(reading.root, reading.path, verbs);
  if (verbs.size === 0) return new QuartetError("no_such_route", `No route for ${verb} ${path}.`);
  if (verbs.has("GET")) verbs.add("HEAD");
  const allow = [...verbs].sort();
  return new QuartetError("method_not_allowed", `${path} takes ${allow.join(", ")}, not ${verb}.`, { allow });
}
