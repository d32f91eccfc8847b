import { atMost, type Figure, reported } from "../harness/figure.ts";
import { describeFaults, requireExact } from "./effects.ts";
import { type LiveResult, runLive } from "./run-live.ts";
import type { Side } from "./side.ts";
import type { SuiteParts } from "./suite-parts.ts";

/** The bounds of ours, in ms, by events a second. */
const bounds = [
  { rate: 500, p50: 2, p99: 10 },
  { rate: 2_000, p50: undefined, p99: 25 },
] as const;

/**
 * How long after the commit of an event, as its producer learns of it, its effect is committed, as the consumer learns
 * of it.
 */
export async function measureLatencies(parts: SuiteParts, ours: readonly Side[]): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const bound of bounds) {
    for (const side of [...ours, ...peersAt(parts, bound.rate)]) {
      const result = await runLive(side, parts.server, { rate: bound.rate, seconds: parts.plan.liveSeconds });
      parts.log(`live at ${bound.rate}/s: ${side.name} ${describe(result)}`);
      figures.push(
        ...(ours.includes(side) ? judge(side, bound, result) : [describePeer(side, bound.rate, result)]),
      );
    }
  }
  return figures;
}

/** Those that cannot be the best are run at the smallest rate only. */
function peersAt({ plan, peers }: SuiteParts, rate: number): readonly Side[] {
  if (!plan.livePeerRates.includes(rate)) return [];
  return peers.filter(({ slow }) => !slow || rate === bounds[0].rate);
}

function judge(side: Side, { rate, p50, p99 }: (typeof bounds)[number], result: LiveResult): Figure[] {
  requireExact(side.name, result);
  const { latencies } = result;
  const name = (quantile: string) => `live at ${rate}/s, ${side.name}, ${quantile}`;
  const median = { name: name("p50"), value: latencies.p50, unit: "ms" };
  return [
    p50 === undefined ? reported(median) : atMost(p50, median),
    atMost(p99, {
      name: name("p99"),
      value: latencies.p99,
      unit: "ms",
      note: `of ${latencies.count} events, at most ${latencies.max.toFixed(1)} ms${behind(result)}`,
    }),
  ];
}

function describePeer(side: Side, rate: number, result: LiveResult): Figure {
  const faults = describeFaults(result)
    .map((fault) => `, ${fault}`)
    .join("");
  return reported({
    name: `live at ${rate}/s, ${side.name}, p99`,
    value: result.latencies.p99,
    unit: "ms",
    note: `p50 ${result.latencies.p50.toFixed(1)} ms${behind(result)}${faults}`,
  });
}

function describe(result: LiveResult): string {
  const { p50, p99 } = result.latencies;
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms${behind(result)}`;
}

function behind({ behindMs }: LiveResult): string {
  return behindMs < 100 ? "" : `, its producer ${(behindMs / 1_000).toFixed(1)} s behind`;
}
