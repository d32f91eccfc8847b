import type { Command } from "commander";
import { applySchema, type DatabasePlan, planDatabases } from "../apply/apply-schema.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { judgeSchema } from "../gate/judge-schema.ts";
import { createApplyReport, formatPlan } from "./apply-report.ts";
import { parseEnvironment } from "./environment.ts";
import { freshDomain, projectOf } from "./project-option.ts";

interface ApplyFlags {
  readonly plan?: boolean;
  readonly json?: boolean;
  readonly lockWait: string;
  readonly indexWait: string;
}

/** Paragraphs; the terminal breaks them into lines. */
const description = [
  "bring the databases to the shape the protos say: additive, idempotent, safe on a live system.",
  "DATABASE_URL and EVENTS_DATABASE_URL are those of an owner, and no pooler's. A build whose schema breaks one that is " +
    "recorded in a database is refused before anything else. What is missing is made, nothing is dropped or rewritten, " +
    "and nobody who reads or writes waits behind apply for longer than 50 ms at a time: a lock that is not free by then " +
    "is asked for again later. Indexes are built concurrently. Two applies at once take turns; an interrupted one is " +
    "simply run again. What somebody altered by hand is reported with the SQL that mends it, and left as it is.",
  "Exit codes: 0 all is as the protos say; 1 a fault that may pass (a lock, a server that is away), or something was " +
    "altered by hand; 2 somebody must mend what is said.",
].join("\n\n");

export function registerApply(program: Command): void {
  program
    .command("apply")
    .description(description)
    .option("--plan", "print each step with its SQL, its lock and how long it takes, and do nothing")
    .option("--json", "print each step as one JSON line, and a summary as the last")
    .option("--lock-wait <seconds>", "longest time for all waiting for locks that hold up others", "60")
    .option(
      "--index-wait <seconds>",
      "longest wait of an index build for older transactions; holds up nobody",
      "600",
    )
    .action(async (flags: ApplyFlags) => {
      const { databaseUrl = "", eventsDatabaseUrl = databaseUrl } = parseEnvironment(process.env, [
        "DATABASE_URL",
      ]);
      const lockWaitMs = parseSeconds("--lock-wait", flags.lockWait) * 1_000;
      const indexWaitMs = parseSeconds("--index-wait", flags.indexWait) * 1_000;
      const domain = await freshDomain(projectOf(program));
      const target = { databaseUrl, eventsDatabaseUrl };
      const report = createApplyReport(flags.json === true, (line) => console.log(line));
      let plans: readonly DatabasePlan[];
      if (flags.plan) {
        plans = await planDatabases(domain, target, { judge: judgeSchema });
        for (const line of formatPlan(plans, flags.json === true)) console.log(line);
      } else {
        plans = await applySchema(domain, target, { ...report, judge: judgeSchema, lockWaitMs, indexWaitMs });
      }
      report.finish(plans, flags.plan === true);
      if (plans.some(({ drift }) => drift.length > 0)) process.exitCode = 1;
    });
}

function parseSeconds(option: string, text: string): number {
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new QuartetError("invalid_argument", `${option} ${text} is no number of seconds.`, {
    fix: "Give a positive number, such as 60.",
  });
}
