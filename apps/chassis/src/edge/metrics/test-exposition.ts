import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { pollUntil } from "../../cluster/postgres/poll-until.ts";

/** A page of metrics, taken apart. */
export class Exposition {
  readonly #values: ReadonlyMap<string, number>;
  /** By name: `counter`, `gauge` or `histogram`. */
  readonly types: ReadonlyMap<string, string>;

  constructor(types: ReadonlyMap<string, string>, values: ReadonlyMap<string, number>) {
    this.types = types;
    this.#values = values;
  }

  /** Of the series of a name with exactly these labels. Undefined: it is not on the page. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.#values.get(keyOf(name, Object.entries(labels)));
  }

  toString(): string {
    const ours = [...this.#values].filter(([key]) => key.startsWith("quartet_") && !key.includes("_bucket"));
    return ours.map(([key, value]) => `${key} ${value}`).join("\n");
  }

  /** Series with a name, with their values, such as `{status="200"}`. */
  seriesOf(name: string): Record<string, number> {
    const found = [...this.#values].filter(([key]) => key.slice(0, key.indexOf("{")) === name);
    return Object.fromEntries(found.map(([key, value]) => [key.slice(name.length), value]));
  }
}

const metricName = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const commentLine = new RegExp(`^# (HELP|TYPE) (${metricName}) (.+)$`);
const sampleLine = new RegExp(`^(${metricName})(?:\\{(.*)\\})? (\\S+)$`);
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const suffixes: Readonly<Record<string, string>> = {
  histogram: "_(bucket|sum|count)",
  summary: "_(sum|count)",
};

/**
 * Reads the text format of Prometheus 0.0.4, and refuses what Prometheus would, or would take for something else: lines of
 * no known form, series that come twice or apart from their metric, metrics without a type, buckets that go down,
 * counters of ours that do not end in `_total` or are negative.
 */
export function parseExposition(text: string): Exposition {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  let current = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = commentLine.exec(line);
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment;
      if (kind === "HELP" && types.has(name)) throw new Error(`${name} comes twice`);
      if (kind === "TYPE") types.set(name, rest);
      current = name;
      continue;
    }
    const [, name = "", labels = "", value = ""] = sampleLine.exec(line) ?? fail(line);
    const type = types.get(current) ?? fail(line);
    if (!new RegExp(`^${current}(${suffixes[type] ?? ""})?$`).test(name)) fail(line);
    const key = keyOf(name, parseLabels(labels, line));
    if (values.has(key)) fail(line);
    values.set(key, parseValue(value, line));
  }
  const page = new Exposition(types, values);
  for (const [name, type] of types) checkMetric(page, name, type);
  return page;
}

function checkMetric(page: Exposition, name: string, type: string): void {
  const ours = name.startsWith("quartet_");
  if (ours && (type === "counter") !== name.endsWith("_total")) throw new Error(`${name} is a ${type}`);
  if (type === "counter") {
    for (const value of Object.values(page.seriesOf(name))) if (value < 0) throw new Error(`${name} < 0`);
  }
  if (type !== "histogram") return;
  const lasts = new Map<string, number>();
  for (const [labels, value] of Object.entries(page.seriesOf(`${name}_bucket`))) {
    const others = labels.replace(/,?le="[^"]*"/, "").replace("{,", "{");
    if (value < (lasts.get(others) ?? 0)) throw new Error(`${name}${labels} goes down`);
    lasts.set(others, value);
    if (labels.includes('le="+Inf"') && page.seriesOf(`${name}_count`)[others] !== value)
      throw new Error(`${name}${labels} is not the count`);
  }
}

function parseLabels(text: string, line: string): [string, string][] {
  const pairs: [string, string][] = [];
  labelPair.lastIndex = 0;
  while (labelPair.lastIndex < text.length) {
    const [, name = "", value = ""] = labelPair.exec(text) ?? fail(line);
    if (pairs.some(([known]) => known === name)) fail(line);
    pairs.push([name, value]);
  }
  return pairs;
}

function parseValue(text: string, line: string): number {
  const value = text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
  return Number.isNaN(value) ? fail(line) : value;
}

function keyOf(name: string, labels: readonly (readonly [string, string])[]): string {
  const sorted = labels.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${sorted.map(([label, value]) => `${label}="${value}"`).join(",")}}`;
}

function fail(line: string): never {
  throw new Error(`not a line of the text format: ${line}`);
}

/** The page of a process, read with {@link parseExposition}. */
export async function scrape(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Exposition> {
  const answer = await fetch(`${url}/metrics`, { headers });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status}: ${text}`);
  return parseExposition(text);
}

/** The first page for which this holds: a page may be a moment old. */
export async function pageWhen(url: string, isSo: (page: Exposition) => boolean): Promise<Exposition> {
  let last: Exposition | undefined;
  const look = async () => {
    last = await scrape(url);
    return isSo(last) ? last : undefined;
  };
  const found = await pollUntil(look, { timeoutMs: 10_000, intervalMs: 50 });
  if (found !== undefined) return found;
  throw new Error(`the page never was as it should be:\n${last?.toString()}`);
}

/** The metrics that the shipped alerts of a group look at. */
export function namesInAlerts(group: string): readonly string[] {
  const file = join(import.meta.dirname, "../../../../../infra/prometheus/process-alerts.yml");
  const { groups } = parse(readFileSync(file, "utf8")) as {
    readonly groups: readonly {
      readonly name: string;
      readonly rules: readonly { readonly expr: string }[];
    }[];
  };
  const rules = groups.find(({ name }) => name === group)?.rules ?? [];
  if (rules.length === 0) throw new Error(`no alerts of ${group}`);
  return rules.flatMap(({ expr }) => expr.match(/quartet_\w+/g) ?? []);
}
