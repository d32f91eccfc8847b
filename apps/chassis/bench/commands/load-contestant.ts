import type { BenchChild } from "../harness/child.ts";
import { type Contestant, median } from "../harness/contest.ts";
import type { ProcessUsage } from "../harness/process-usage.ts";
import type { Listening } from "./commands-deployment.ts";
import type { Load, LoadReport } from "./load-process.ts";

/** One side of a contest, which answers a load; it remembers what each run was like. */
export interface LoadContestant extends Contestant {
  /** Median time from request to answer of each run, in ms. */
  readonly medians: readonly number[];
  /** CPU time of the process in each run, in µs a request. */
  readonly cpuUs: readonly number[];
}

export type LoadSettings = Pick<Load, "path" | "keyed" | "status" | "connections">;

/**
 * @param first number of the first note it sends
 * @param count of what is there after `done` notes, for the check of each run
 */
export function createLoadContestant(
  name: string,
  { load, side }: { readonly load: BenchChild; readonly side: Listening },
  settings: LoadSettings,
  first: number,
  count: () => Promise<readonly number[]>,
): LoadContestant {
  const [medians, cpuUs]: [number[], number[]] = [[], []];
  let next = first;
  return {
    name,
    medians,
    cpuUs,
    run: async (size) => {
      const before = await side.child.ask<ProcessUsage>("readUsage");
      const sent: Load = { ...settings, url: side.url, first: next, count: size };
      next += size;
      const report = await load.ask<LoadReport>("send", sent);
      medians.push(median(answerTimes(report)));
      const after = await side.child.ask<ProcessUsage>("readUsage");
      cpuUs.push(((after.cpuMs - before.cpuMs) * 1_000) / size);
    },
    verify: async (done) => {
      for (const found of await count()) {
        if (found !== done) throw new Error(`${name}: ${found} of ${done} requests had their effect`);
      }
    },
  };
}

/** From request to answer, in ms. */
export function answerTimes({ sentAt, answeredAt }: LoadReport): number[] {
  return answeredAt.map((at, index) => at - (sentAt[index] ?? 0));
}
