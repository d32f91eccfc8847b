import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import type { BenchChild } from "../harness/child.ts";
import { commonNow } from "../harness/common-clock.ts";
import { atMost, type Figure, reported } from "../harness/figure.ts";
import type { CommandsDeployment } from "./commands-deployment.ts";
import type { CommandsPlan } from "./commands-plan.ts";
import { answerTimes } from "./load-contestant.ts";
import type { Load, LoadReport } from "./load-process.ts";

/** How often the replica is looked at: what is seen is at most so much older. */
const lookEveryMs = 2;
const lateMs = 30_000;
/** Seconds at a load's rate that are not counted: code is compiled, connections are opened. */
const warmUpSeconds = 4;

interface Parts {
  readonly deployment: CommandsDeployment;
  readonly load: BenchChild;
  readonly plan: CommandsPlan;
  readonly log: (line: string) => void;
}

/** How long after its 202 the effect of an asynchronous command is on the replica: micro, relay, crud, replica. */
export async function measureVisibility(parts: Parts, first: number): Promise<readonly Figure[]> {
  const rate = 100;
  const { deployment, load, plan } = parts;
  const steady = { url: deployment.micro.url, path: "/v1/notes:later", status: 202, rate };
  await run(rate * warmUpSeconds, first);
  const { report, seenAt } = await run(rate * plan.steadySeconds, first + rate * warmUpSeconds);
  const latencies = sort(seenAt.map((at, index) => Math.max(0, at - (report.answeredAt[index] ?? 0))));
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
  parts.log(`accepted to visible at ${rate}/s: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  const note = `of ${latencies.length} commands, at most ${quantile(latencies, 1).toFixed(1)} ms`;
  return [
    atMost(25, { name: `accepted to visible on the replica at ${rate}/s, p50`, value: p50, unit: "ms" }),
    atMost(100, {
      name: `accepted to visible on the replica at ${rate}/s, p99`,
      value: p99,
      unit: "ms",
      note,
    }),
  ];

  async function run(count: number, from: number) {
    const sending = load.ask<LoadReport>("send", {
      ...steady,
      keyed: true,
      first: from,
      count,
      connections: 16,
    });
    const seenAt = await watchNotes(deployment.replica, from, count);
    return { report: await sending, seenAt };
  }
}

/** Times from request to answer at a steady rate, without a bound. */
export async function measureSteady(
  parts: Parts,
  name: string,
  load: Omit<Load, "count" | "connections">,
): Promise<Figure> {
  const { rate = 1, first } = load;
  const send = (count: number, from: number) =>
    parts.load.ask<LoadReport>("send", { ...load, first: from, count, connections: 64 });
  await send(rate * warmUpSeconds, first);
  const report = await send(rate * parts.plan.steadySeconds, first + rate * warmUpSeconds);
  const times = sort(answerTimes(report));
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  parts.log(`${name}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  return reported({ name: `${name}, p50`, value: p50, unit: "ms", note: `p99 ${p99.toFixed(1)} ms` });
}

/** When each note of a range was first seen, by the clock that all processes share. */
async function watchNotes(pool: Pool, first: number, count: number): Promise<readonly number[]> {
  const seenAt: number[] = new Array(count).fill(0);
  let [seen, floor] = [0, 0];
  for (let lastAt = commonNow(); seen < count; ) {
    const { rows } = await pool.query<{ number: number }>({
      name: "look",
      text: "select number from bench_notes.notes where number >= $1 and number < $2",
      values: [first + floor, first + count],
    });
    const now = commonNow();
    for (const { number } of rows) {
      if (seenAt[number - first] !== 0) continue;
      seenAt[number - first] = now;
      [seen, lastAt] = [seen + 1, now];
    }
    while (floor < count && seenAt[floor] !== 0) floor++;
    if (now - lastAt > lateMs) throw new Error(`${seen} of ${count} notes came to the replica`);
    await delay(lookEveryMs);
  }
  return seenAt;
}

function sort(values: number[]): number[] {
  return values.sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
