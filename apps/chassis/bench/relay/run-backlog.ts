import { setTimeout as delay } from "node:timers/promises";
import type { TestServer } from "../../src/cluster/postgres/test-database.ts";
import { createBenchEvents } from "./bench-events.ts";
import type { EffectReport } from "./effects.ts";
import type { Deployment, Side } from "./side.ts";

export interface BacklogResult extends EffectReport {
  /** Effects a second, from when delivery was begun to the last effect. */
  readonly rate: number;
  /** The same from the first effect on: without what it takes to begin. */
  readonly steadyRate: number;
}

const publishAtOnce = 5_000;
/** What has made no progress for so long has lost the rest. */
const stallMs = 15_000;
const pollMs = 50;

/** Publishes a backlog while nobody delivers, then measures how fast it has its effects. */
export async function runBacklog(side: Side, server: TestServer, count: number): Promise<BacklogResult> {
  await using deployment = await side.open(server, { times: false });
  await publishBacklog(deployment, count);
  return await drainBacklog(deployment, count);
}

export async function publishBacklog(deployment: Deployment, count: number): Promise<void> {
  for (let start = 0; start < count; start += publishAtOnce) {
    await deployment.publishMany(createBenchEvents(Math.min(publishAtOnce, count - start), start));
  }
}

/** Begins to deliver and waits until `count` effects are there, or no more come. */
export async function drainBacklog(deployment: Deployment, count: number): Promise<BacklogResult> {
  const begunAt = await deployment.readClock();
  await deployment.start();
  await awaitEffects(deployment, count);
  const report = await deployment.readEffects(count);
  const arrived = count - report.lost;
  return {
    ...report,
    rate: (arrived * 1_000) / (report.lastAt - begunAt),
    steadyRate: (arrived * 1_000) / (report.lastAt - report.firstAt),
  };
}

export async function awaitEffects(
  deployment: Pick<Deployment, "countEffects">,
  count: number,
): Promise<void> {
  let seen = -1;
  let since = performance.now();
  while (seen < count) {
    const now = await deployment.countEffects();
    if (now > seen) since = performance.now();
    else if (performance.now() - since > stallMs) return;
    seen = now;
    await delay(pollMs);
  }
}
