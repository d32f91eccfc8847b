import { median } from "../harness/contest.ts";
import { atLeast, type Figure } from "../harness/figure.ts";
import { requireExact } from "./effects.ts";
import { type BenchSubscription, openQuartet } from "./quartet-deployment.ts";
import { drainBacklog, publishBacklog } from "./run-backlog.ts";
import type { SuiteParts } from "./suite-parts.ts";

const working = 45;
const hanging = 5;
/** All push to one consumer: with more, what is under way would wait longer than a push may. */
const concurrency = 2;
const name = "50 subscriptions of which 5 hang";

/**
 * What five subscribers that never answer cost the other 45: their throughput, against the same with the five paused.
 * Nothing then takes the place of the five, so what they cost shows in full.
 */
export async function measureHanging(parts: SuiteParts): Promise<readonly Figure[]> {
  const ratios: number[] = [];
  let rates: readonly [number, number] = [0, 0];
  for (let round = 0; round < parts.plan.hanging.rounds; round++) {
    const order = round % 2 === 0 ? [true, false] : [false, true];
    const measured = new Map<boolean, number>();
    for (const hangs of order) measured.set(hangs, await measureRate(parts, hangs));
    rates = [measured.get(true) ?? 0, measured.get(false) ?? 0];
    parts.log(
      `${name}: ${Math.round(rates[0])}/s to the other 45, ${Math.round(rates[1])}/s without the five`,
    );
    ratios.push(rates[0] / rates[1]);
  }
  return [
    atLeast(0.95, {
      name: "45 subscriptions beside 5 that hang",
      value: median(ratios),
      unit: "x",
      note: `of their rate without the five; last round ${Math.round(rates[0])}/s and ${Math.round(rates[1])}/s`,
    }),
  ];
}

async function measureRate({ server, plan }: SuiteParts, hangs: boolean): Promise<number> {
  const subscriptions: readonly BenchSubscription[] = [
    ...Array.from({ length: working }, (_, index) => ({ name: `works-${index}` })),
    ...Array.from({ length: hanging }, (_, index) => ({
      name: `hangs-${index}`,
      hangs: true,
      paused: !hangs,
    })),
  ];
  await using deployment = await openQuartet(server, {
    kind: "batch",
    subscriptions,
    concurrency,
    times: false,
  });
  await publishBacklog(deployment, plan.hanging.events);
  const result = await drainBacklog(deployment, plan.hanging.events * working);
  requireExact(name, result);
  return result.rate;
}
