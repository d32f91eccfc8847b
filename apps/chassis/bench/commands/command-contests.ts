import type { Pool } from "pg";
import type { BenchChild } from "../harness/child.ts";
import { type ContestPlan, describeResult, median, runContest } from "../harness/contest.ts";
import { atLeast, atMost, type Figure, reported } from "../harness/figure.ts";
import type { CommandsDeployment, Listening } from "./commands-deployment.ts";
import type { CommandsPlan } from "./commands-plan.ts";
import { createLoadContestant, type LoadContestant } from "./load-contestant.ts";
import { noteAddedType } from "./note-domain.ts";

/** As many clients as a small service has at once. */
const connections = 16;
const acceptedType = "quartet.v1.CommandAccepted";

/** What a contest is about: one way of sending commands, beside the bare handler on the same server. */
interface CommandContest {
  readonly name: string;
  readonly side: Listening;
  readonly bare: Listening;
  readonly bareDatabase: Pool;
  readonly path: string;
  readonly keyed: boolean;
  readonly status: number;
  /** How many effects of ours there are, by kind. */
  readonly count: () => Promise<readonly number[]>;
  readonly bounds: { readonly p50?: number; readonly throughput?: number };
}

/** The notes of each contest begin here, times its number: none meets another's. */
const numbersEach = 10_000_000;

/**
 * Commands beside a bare handler, without a relay: what is measured is what a client waits for. What was accepted is
 * carried out afterwards, and counted then.
 *
 * @returns the figures, and how many commands were accepted and are to be carried out
 */
export async function measureCommands(
  deployment: CommandsDeployment,
  load: BenchChild,
  plan: CommandsPlan,
  log: (line: string) => void,
): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const [index, contest] of describeContests(deployment).entries()) {
    figures.push(...(await measureContest(contest, load, plan, numbersEach * (index + 1), log)));
  }
  return figures;
}

function describeContests(deployment: CommandsDeployment): readonly CommandContest[] {
  const { crud, micro, bareEvents, barePrimary, main, events } = deployment;
  const atPrimary = { side: crud, bare: barePrimary, bareDatabase: main, path: "/v1/notes", status: 200 };
  return [
    {
      name: "async accept",
      ...{ side: micro, bare: bareEvents, bareDatabase: events, path: "/v1/notes:later", status: 202 },
      keyed: true,
      count: async () => [await countEvents(events, acceptedType)],
      bounds: { p50: 1.5, throughput: 0.6 },
    },
    {
      name: "direct",
      ...atPrimary,
      keyed: false,
      count: countNew(main, [countNotes, (pool) => countEvents(pool, noteAddedType)]),
      bounds: { throughput: 0.5 },
    },
    {
      name: "direct with a key",
      ...atPrimary,
      keyed: true,
      count: countNew(main, [countNotes, (pool) => countEvents(pool, noteAddedType), countCommitted]),
      bounds: {},
    },
  ];
}

/** Counts what came since the first time it was asked for. */
function countNew(
  pool: Pool,
  counts: readonly ((pool: Pool) => Promise<number>)[],
): () => Promise<readonly number[]> {
  let before: readonly number[] | undefined;
  return async () => {
    const now = await Promise.all(counts.map((count) => count(pool)));
    before ??= now;
    return now.map((value, index) => value - (before?.[index] ?? 0));
  };
}

async function measureContest(
  contest: CommandContest,
  load: BenchChild,
  plan: CommandsPlan,
  first: number,
  log: (line: string) => void,
): Promise<readonly Figure[]> {
  await contest.count();
  const { path, keyed, status } = contest;
  const bareCount = countNew(contest.bareDatabase, [(pool) => countRows(pool, "bare_notes")]);
  await bareCount();
  const ours = createLoadContestant(
    contest.name,
    { load, side: contest.side },
    { path, keyed, status, connections },
    first,
    contest.count,
  );
  const bare = createLoadContestant(
    "bare",
    { load, side: contest.bare },
    { path: "/v1/notes", keyed, status: 201, connections },
    first,
    bareCount,
  );
  const contestPlan = {
    name: `${contest.name}, ${connections} connections`,
    contestants: [ours, bare],
    count: plan.requests,
    rounds: plan.rounds,
    warmUp: plan.warmUp,
    log,
  } as const satisfies ContestPlan;
  const result = await runContest(contestPlan);
  const throughput = {
    name: `${contest.name}, throughput`,
    value: result.ratio,
    unit: "x",
    note: `${describeResult(contestPlan, result)}; ${describeCpu([ours, bare])}`,
  };
  const latency = describeMedians(contest.name, ours, bare);
  const { bounds } = contest;
  return [
    bounds.p50 === undefined ? reported(latency) : atMost(bounds.p50, latency),
    bounds.throughput === undefined ? reported(throughput) : atLeast(bounds.throughput, throughput),
  ];
}

/** The first run warms up. */
function describeMedians(name: string, ours: LoadContestant, bare: LoadContestant) {
  const [mine, theirs] = [ours.medians.slice(1), bare.medians.slice(1)];
  const ratios = mine.map((value, index) => value / (theirs[index] ?? Number.NaN));
  return {
    name: `${name}, p50`,
    value: median(ratios),
    unit: "x",
    note: `${median(mine).toFixed(2)} ms, bare ${median(theirs).toFixed(2)} ms`,
  };
}

function describeCpu(sides: readonly LoadContestant[]): string {
  return `CPU a request ${sides.map(({ name, cpuUs }) => `${name} ${Math.round(median(cpuUs.slice(1)))} µs`).join(", ")}`;
}

export async function countNotes(pool: Pool): Promise<number> {
  return countRows(pool, "bench_notes.notes");
}

/** Operations that ended well. */
export async function countCommitted(pool: Pool): Promise<number> {
  return countRows(pool, "quartet.operation where pb ->> 'state' = 'OPERATION_STATE_COMMITTED'");
}

async function countEvents(pool: Pool, type: string): Promise<number> {
  return countRows(pool, `quartet.outbox where type = '${type}'`);
}

async function countRows(pool: Pool, from: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`select count(*)::int as count from ${from}`);
  return rows[0]?.count ?? 0;
}
