import { median } from "../harness/contest.ts";
import { atLeast, type Figure, reported } from "../harness/figure.ts";
import { describeFaults, requireExact } from "./effects.ts";
import { type BacklogResult, runBacklog } from "./run-backlog.ts";
import type { Side } from "./side.ts";
import type { SuiteParts } from "./suite-parts.ts";

interface Result {
  readonly side: Side;
  readonly runs: readonly BacklogResult[];
}

const bounds = {
  message: { rate: 7_000, ratio: 0.8 },
  batch: { rate: 25_000, ratio: 1.2 },
} as const;

/** How fast a backlog has its effects: ours, and peers beside it in the same rounds. */
export async function measureBacklogs(parts: SuiteParts, ours: readonly Side[]): Promise<readonly Figure[]> {
  const runs = new Map<Side, BacklogResult[]>();
  for (let round = 0; round < parts.plan.rounds; round++) {
    const sides = [...ours, ...parts.peers.filter(({ slow }) => !slow || round === 0)];
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const result = await runOnce(parts, side, ours.includes(side));
      if (result !== undefined) runs.set(side, [...(runs.get(side) ?? []), result]);
    }
  }
  const results = [...runs].map(([side, sideRuns]) => ({ side, runs: sideRuns }));
  return [
    ...ours.flatMap((side) => judge(parts, side, results)),
    ...results.filter(({ side }) => !ours.includes(side)).map((result) => describePeer(parts, result)),
  ];
}

async function runOnce(parts: SuiteParts, side: Side, isOurs: boolean): Promise<BacklogResult | undefined> {
  const { plan, log, server } = parts;
  const count = isOurs ? plan.backlog : side.slow ? plan.slowPeerBacklog : plan.peerBacklog;
  if (count === undefined) return undefined;
  const result = await runBacklog(side, server, count);
  log(
    `backlog of ${count.toLocaleString("en-US")}: ${side.name} ${Math.round(result.rate)}/s${faults(result)}`,
  );
  if (isOurs) requireExact(side.name, result);
  return result;
}

function judge({ plan }: SuiteParts, side: Side, results: readonly Result[]): Figure[] {
  const mine = results.find((result) => result.side === side);
  const { rate, ratio } = bounds[side.kind];
  const peers = results.filter(
    (result) =>
      result !== mine && !result.side.slow && (side.kind === "batch" || result.side.kind === "message"),
  );
  const best = peers.filter(({ side: { name } }) => !name.startsWith("quartet")).toSorted(byRate)[0];
  const myRate = rateOf(mine);
  const figures = [
    atLeast(rate, {
      name: side.kind === "batch" ? "backlog, in batches" : "backlog, one event a request",
      value: myRate,
      unit: "/s",
      note: `${plan.backlog.toLocaleString("en-US")} events over 10,000 keys, each once and in order${spread(mine)}`,
    }),
  ];
  if (best === undefined) return figures;
  figures.push(
    atLeast(ratio, {
      name:
        side.kind === "batch"
          ? "backlog, in batches, to the best peer"
          : "backlog, one event a request, to the best peer of its kind",
      value: median(ratiosOf(mine, best)),
      unit: "x",
      note: `${best.side.name} ${Math.round(rateOf(best))}/s`,
    }),
  );
  return figures;
}

function describePeer({ plan }: SuiteParts, result: Result): Figure {
  const count = result.side.slow ? plan.slowPeerBacklog : plan.peerBacklog;
  const worst = result.runs.find(({ lost, doubled, outOfOrder }) => lost + doubled + outOfOrder > 0);
  return reported({
    name: `backlog, ${result.side.name}`,
    value: rateOf(result),
    unit: "/s",
    note: `${(count ?? 0).toLocaleString("en-US")} events${worst === undefined ? "" : faults(worst)}`,
  });
}

/** Round by round, so that what else the machine did hits both. */
function ratiosOf(mine: Result | undefined, theirs: Result): number[] {
  return theirs.runs.map((run, round) => (mine?.runs[round]?.rate ?? 0) / run.rate);
}

function rateOf(result: Result | undefined): number {
  return median(result?.runs.map(({ rate }) => rate) ?? [0]);
}

function byRate(a: Result, b: Result): number {
  return rateOf(b) - rateOf(a);
}

function spread(result: Result | undefined): string {
  const rates = result?.runs.map(({ rate }) => Math.round(rate)) ?? [];
  return rates.length < 2 ? "" : `; ${Math.min(...rates)} to ${Math.max(...rates)}`;
}

function faults(result: BacklogResult): string {
  return describeFaults(result)
    .map((fault) => `, ${fault}`)
    .join("");
}
