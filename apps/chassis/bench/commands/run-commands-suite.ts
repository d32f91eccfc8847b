import { fileURLToPath } from "node:url";
import { openChild } from "../harness/child.ts";
import { type Figure, reported } from "../harness/figure.ts";
import { describeMachine } from "../harness/machine.ts";
import type { SuiteOptions } from "../main.ts";
import { awaitCarriedOut } from "./carry-out.ts";
import { measureCommands } from "./command-contests.ts";
import { openCommandsDeployment } from "./commands-deployment.ts";
import { fullPlan, quickPlan } from "./commands-plan.ts";
import { measureSteady, measureVisibility } from "./steady-figures.ts";

const loadEntry = fileURLToPath(new URL("./load-process.ts", import.meta.url));

/** Commands in every mode, beside a bare Express 5 handler that does one INSERT by pg. */
export async function runCommandsSuite({ quick, log }: SuiteOptions): Promise<readonly Figure[]> {
  await using deployment = await openCommandsDeployment();
  await using load = await openChild(loadEntry);
  log(describeMachine(deployment.postgres));
  const plan = quick ? quickPlan : fullPlan;
  // What was captured once is captured from its slot from then on, as in a deployment that is in use.
  await (await deployment.openRelay())[Symbol.asyncDispose]();
  const contests = await measureCommands(deployment, load, plan, log);
  const perContest = plan.warmUp + plan.requests * plan.rounds;
  await using _relay = await deployment.openRelay();
  const carriedOutMs = await awaitCarriedOut(deployment, {
    notes: 3 * perContest,
    operations: 2 * perContest,
  });
  const rate = (perContest * 1_000) / carriedOutMs;
  log(`carried out ${perContest} accepted commands at ${Math.round(rate)}/s`);
  const parts = { deployment, load, plan, log };
  const { micro } = deployment;
  return [
    ...contests,
    reported({ name: "accepted commands carried out, backlog", value: rate, unit: "/s" }),
    ...(await measureVisibility(parts, 100_000_000)),
    await measureSteady(parts, "offloaded at 50/s", {
      url: micro.url,
      path: "/v1/notes:offloaded",
      keyed: true,
      status: 200,
      rate: 50,
      first: 200_000_000,
    }),
  ];
}
