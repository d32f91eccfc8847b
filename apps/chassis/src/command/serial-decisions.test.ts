import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import type { OpenRuntime } from "../edge/open-runtime.ts";
import {
  change,
  direct,
  endOf,
  offload,
  openLedger,
  readAll,
  readValue,
  receive,
  type Script,
  type Way,
} from "./test-decisions.ts";

/** What one command read and wants written, as its last decision had it. */
interface Act {
  readonly name: string;
  readonly reads: Map<string, string | undefined>;
  readonly writes: readonly { readonly row: string; readonly way: Way; readonly value: string }[];
}

type State = ReadonlyMap<string, string>;

const rows = ["red/a", "red/b", "blue/a", "blue/b"];
const ways: readonly Way[] = ["upsert", "upsert", "insert", "patch", "delete"];
const rounds = 25;
const actsPerRound = 6;

let database: TestDatabase;
let runtime: OpenRuntime;

beforeAll(async () => {
  database = await openTestDatabase();
  // Wrong guesses of what a write changes cost this much each.
  await database.query(`alter database ${database.name} set deadlock_timeout = '20ms'`);
  runtime = await openLedger(database);
});
afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

/** mulberry32 */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function drawAct(name: string, random: (below: number) => number): Act & { readonly script: Script } {
  const pick = () => rows[random(rows.length)] ?? "red/a";
  const reads = new Map<string, string | undefined>();
  const toRead = Array.from({ length: 1 + random(3) }, pick);
  const writes = Array.from({ length: 1 + random(2) }, (_, index) => {
    const [row, way] = [pick(), ways[random(ways.length)] ?? "upsert"];
    // That a delete finds nothing holds for that moment alone, unless the decision rests on it.
    const known = way !== "delete" || toRead.includes(row);
    return { row, way: known ? way : "upsert", value: `${name}.${index}` } as const;
  });
  const script: Script = async (ctx) => {
    reads.clear();
    for (const row of toRead) reads.set(row, await readValue(ctx, ...partsOf(row)));
    for (const { row, way, value } of writes) change(ctx, way, ...partsOf(row), value);
  };
  return { name, reads, writes, script };
}

function partsOf(row: string): ["red" | "blue", string] {
  const [table, id = ""] = row.split("/");
  return [table === "red" ? "red" : "blue", id];
}

/** The rows after an act, or undefined when it would not have been decided or written like this. */
function follow(state: State, { reads, writes }: Act): State | undefined {
  for (const [row, value] of reads) if (state.get(row) !== value) return undefined;
  const next = new Map(state);
  for (const { row, way, value } of writes) {
    if (way === "delete") next.delete(row);
    else if (way !== "upsert" && next.has(row) === (way === "insert")) return undefined;
    else next.set(row, value);
  }
  return next;
}

/** Whether one after the other, in some order, the acts lead from one state to the other. */
function isSerial(from: State, acts: readonly Act[], to: State): boolean {
  if (acts.length === 0)
    return from.size === to.size && [...from].every(([row, value]) => to.get(row) === value);
  return acts.some((act) => {
    const next = follow(from, act);
    return (
      next !== undefined &&
      isSerial(
        next,
        acts.filter((other) => other !== act),
        to,
      )
    );
  });
}

/** Some in crud, some as intents that are pushed twice; connections are cut meanwhile. */
async function runRound(seed: number): Promise<readonly Act[]> {
  const random = randomOf(seed);
  const acts = Array.from({ length: actsPerRound }, (_, index) => drawAct(`act ${seed}.${index}`, random));
  const running = acts.map(async ({ name, script }, index) => {
    if (index % 2 === 0) return direct(runtime, name, script);
    const intent = await offload(runtime, name, script);
    return Promise.allSettled([receive(runtime, intent), receive(runtime, intent)]);
  });
  const cut = async () => {
    if (random(3) !== 0) return;
    await database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()
        and datname = current_database() and application_name like '%main' order by pid limit 1`,
    );
  };
  await Promise.all([Promise.allSettled(running), cut()]);
  const ends = await Promise.all(acts.map(({ name }) => endOf(database, name)));
  return acts.filter((_, index) => ends[index] === "committed");
}

describe("decisions that are written at the same time", () => {
  test("leave what they would one after the other, each reading what the ones before have left", async () => {
    let committed = 0;
    for (let seed = 1; seed <= rounds; seed++) {
      const before = await readAll(database);
      const acts = await runRound(seed);
      const after = await readAll(database);
      committed += acts.length;
      expect(isSerial(before, acts, after), describeRound(seed, before, acts, after)).toBe(true);
    }
    // Else nothing was tried.
    expect(committed).toBeGreaterThan(rounds);
  });

  test("would be found out when they did not", () => {
    const skewed = (name: string, row: string): Act => ({
      name,
      reads: new Map([
        ["red/a", "0"],
        ["red/b", "0"],
      ]),
      writes: [{ row, way: "patch", value: name }],
    });
    const acts = [skewed("1", "red/a"), skewed("2", "red/b")];
    const [before, after] = [
      new Map([
        ["red/a", "0"],
        ["red/b", "0"],
      ]),
      new Map([
        ["red/a", "1"],
        ["red/b", "2"],
      ]),
    ];
    expect(isSerial(before, acts, after)).toBe(false);
  });
});

function describeRound(seed: number, before: State, acts: readonly Act[], after: State): string {
  const told = acts.map(({ name, reads, writes }) => ({ name, reads: [...reads], writes }));
  return JSON.stringify({ seed, before: [...before], acts: told, after: [...after] });
}
