import { atLeast, atMost, type Figure } from "../harness/figure.ts";
import { requireExact } from "./effects.ts";
import { openQuartet } from "./quartet-deployment.ts";
import { type BacklogResult, drainBacklog, publishBacklog } from "./run-backlog.ts";
import type { SuiteParts } from "./suite-parts.ts";

const mebibyte = 2 ** 20;

interface Run extends BacklogResult {
  readonly rssBytes: number;
}

/** What a large backlog costs the relay: memory, and speed against a small one. */
export async function measureMemory(parts: SuiteParts): Promise<readonly Figure[]> {
  const { small, large } = parts.plan.memory;
  const before = await measure(parts, small);
  const run = await measure(parts, large);
  const after = await measure(parts, small);
  const smallRate = (before.steadyRate + after.steadyRate) / 2;
  return [
    atMost(256, {
      name: "memory of the relay",
      value: run.rssBytes / mebibyte,
      unit: "MiB",
      note: `its most at a backlog of ${large.toLocaleString("en-US")}; ${Math.round(before.rssBytes / mebibyte)} MiB at ${small.toLocaleString("en-US")}`,
    }),
    atLeast(0.9, {
      name: "rate of a large backlog to a small one",
      value: run.steadyRate / smallRate,
      unit: "x",
      note: `${Math.round(run.steadyRate)}/s at ${large.toLocaleString("en-US")}, ${Math.round(smallRate)}/s at ${small.toLocaleString("en-US")}, from the first effect on`,
    }),
  ];
}

async function measure({ server, log }: SuiteParts, count: number): Promise<Run> {
  await using deployment = await openQuartet(server, {
    kind: "batch",
    subscriptions: [{ name: "bench" }],
    times: false,
  });
  log(`publishing ${count.toLocaleString("en-US")} events`);
  await publishBacklog(deployment, count);
  const result = await drainBacklog(deployment, count);
  requireExact("quartet", result);
  const { relay, consumer } = await deployment.readUsage();
  const microsOf = (ms: number) => Math.round((ms * 1_000) / count);
  log(
    `backlog of ${count.toLocaleString("en-US")}: ${Math.round(result.steadyRate)}/s, relay at most ${Math.round(relay.maxRssBytes / mebibyte)} MiB, CPU an event: relay ${microsOf(relay.cpuMs)} µs, consumer ${microsOf(consumer.cpuMs)} µs`,
  );
  return { ...result, rssBytes: relay.maxRssBytes };
}
