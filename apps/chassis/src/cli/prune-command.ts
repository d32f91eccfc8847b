import { type Command, InvalidArgumentError } from "commander";
import { pruneHistory, readPrunePlan } from "../apply/prune.ts";
import type { PruneStep } from "../apply/prune-plan.ts";
import { formatStepSql } from "../apply/step.ts";
import { parseEnvironment } from "./environment.ts";
import { freshDomain, projectOf } from "./project-option.ts";

export function registerPrune(program: Command): void {
  program
    .command("prune")
    .description(
      "drop what is older than the history_retention of tables: their history's months, as a whole.\n" +
        "Tables without a retention are left alone. DATABASE_URL is that of an owner.",
    )
    .option("--plan", "print the SQL that would be run, and what each step locks; change nothing")
    .option(
      "--lock-wait <seconds>",
      "longest time to spend on waiting for locks, over all steps",
      readSeconds,
      60,
    )
    .option("--json", "print each step as one JSON line")
    .action(async (options: { plan?: boolean; lockWait: number; json?: boolean }) => {
      const { databaseUrl = "" } = parseEnvironment(process.env, ["DATABASE_URL"]);
      const domain = await freshDomain(projectOf(program));
      const print = (step: PruneStep) => console.log(formatStep(step, options));
      if (options.plan) {
        const steps = await readPrunePlan(domain, databaseUrl);
        for (const step of steps) print(step);
        if (!options.json && steps.length === 0) console.log("nothing is older than it is kept");
        return;
      }
      const steps = await pruneHistory(domain, databaseUrl, {
        lockWaitMs: options.lockWait * 1_000,
        onStep: print,
      });
      if (!options.json)
        console.log(steps === 0 ? "nothing is older than it is kept" : `pruned in ${steps} steps`);
    });
}

function formatStep(step: PruneStep, { plan, json }: { plan?: boolean; json?: boolean }): string {
  const { table, what, lock, duration } = step;
  if (json) return JSON.stringify({ table, what, sql: formatStepSql(step), lock, duration });
  if (!plan) return `${table}: ${what}`;
  return `-- ${table}: ${what}\n-- lock: ${lock}\n-- takes: ${duration}\n${formatStepSql(step)}\n`;
}

function readSeconds(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It takes a whole number of seconds, from 1.");
}
