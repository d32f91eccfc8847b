import { setTimeout as delay } from "node:timers/promises";
import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import { createBenchEvent } from "./bench-events.ts";
import { CommitTimeRecorder, compareCommits, type Latencies } from "./commit-times.ts";
import type { EffectReport } from "./effects.ts";
import { awaitEffects } from "./run-backlog.ts";
import type { Deployment, Side } from "./side.ts";

export interface LivePlan {
  /** Events a second. */
  readonly rate: number;
  readonly seconds: number;
}

export interface LiveResult extends EffectReport {
  readonly latencies: Latencies;
  /** How far the producer was behind its plan at the end: it publishes as fast as the side lets it. */
  readonly behindMs: number;
}

/** Seconds at the plan's rate that are not counted: code is compiled, connections are opened. */
const warmUpSeconds = 3;
/** What a producer may have under way; past that it falls behind. */
const mostUnderWay = 64;

/** Publishes at a steady rate while the side delivers, and tells how long after each commit the effect's commit was. */
export async function runLive(side: Side, server: TestServer, plan: LivePlan): Promise<LiveResult> {
  await using deployment = await side.open(server, { times: true });
  await deployment.start();
  const warm = plan.rate * warmUpSeconds;
  await publishAtRate(deployment, { first: 0, count: warm, rate: plan.rate }, () => undefined);
  await awaitEffects(deployment, warm);
  await deployment.takeTimes();
  const recorder = new CommitTimeRecorder();
  const count = plan.rate * plan.seconds;
  const behindMs = await publishAtRate(deployment, { first: warm, count, rate: plan.rate }, recorder.note);
  await awaitEffects(deployment, warm + count);
  const report = await deployment.readEffects(warm + count);
  const latencies = compareCommits(recorder.take(), await deployment.takeTimes());
  return { ...report, latencies, behindMs };
}

interface Stretch {
  readonly first: number;
  readonly count: number;
  readonly rate: number;
}

/** Publishes each event when it is due, whatever became of those before. Returns by how much the last one was late. */
async function publishAtRate(
  deployment: Deployment,
  { first, count, rate }: Stretch,
  onCommitted: (ids: readonly string[]) => void,
): Promise<number> {
  const start = performance.now();
  const underWay = new Set<Promise<void>>();
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - start) * rate) / 1_000));
    for (; sent < due; sent++) {
      const event = createBenchEvent(first + sent);
      const publishing = deployment.publish(event).then(() => onCommitted([event.id]));
      underWay.add(publishing);
      void publishing.finally(() => underWay.delete(publishing));
      if (underWay.size >= mostUnderWay) await Promise.race(underWay);
    }
    await delay(1);
  }
  await Promise.all(underWay);
  return Math.max(0, performance.now() - start - (count * 1_000) / rate);
}
