import type { ApplyOptions, DatabasePlan } from "../apply/apply-schema.ts";
import { formatDrift } from "../apply/drift/drift.ts";
import { formatStepSql, type Step } from "../apply/step.ts";

/** Tells what an apply does while it does it, and what came of it. */
export interface ApplyReport extends Required<Pick<ApplyOptions, "onStep" | "onStepDone" | "onProgress">> {
  /** @param planned nothing was done */
  finish(plans: readonly DatabasePlan[], planned: boolean): void;
}

/** @param print gets whole lines, without their line feed */
export function createApplyReport(json: boolean, print: (line: string) => void): ApplyReport {
  let done = 0;
  return {
    onStep: (database, step) => {
      if (!json && step.index !== undefined) print(`${database.padEnd(6)} ${step.what} …`);
    },
    onProgress: (database, step, { phase, percent }) => {
      if (json) print(JSON.stringify({ type: "progress", database, what: step.what, phase, percent }));
      else print(`${database.padEnd(6)}   ${phase}${percent === undefined ? "" : ` ${percent}%`}`);
    },
    onStepDone: (database, step, { totalMs, heldMs, attempts }) => {
      done += 1;
      if (json) {
        const measured = {
          totalMs: round(totalMs),
          ...(heldMs === undefined ? {} : { heldMs: round(heldMs) }),
          attempts,
        };
        print(JSON.stringify({ ...describeStep(database, step), type: "step", ...measured }));
        return;
      }
      const held = heldMs === undefined ? "" : `, lock held ${heldMs.toFixed(1)} ms`;
      const tries = attempts === 1 ? "" : `, ${attempts} attempts`;
      print(`${database.padEnd(6)} ${step.what}  ${totalMs.toFixed(1)} ms${held}${tries}`);
    },
    finish: (plans, planned) => {
      const steps = planned ? plans.reduce((sum, plan) => sum + plan.steps.length, 0) : done;
      for (const line of json ? summary(plans, steps, planned) : closing(plans, steps, planned)) print(line);
    },
  };
}

/** A plan as text, or one JSON line per step. */
export function formatPlan(plans: readonly DatabasePlan[], json: boolean): readonly string[] {
  return plans.flatMap(({ database, steps }) =>
    steps.flatMap((step) =>
      json
        ? [JSON.stringify({ type: "step", ...describeStep(database, step) })]
        : [
            `-- ${database}: ${step.what}`,
            `--   lock: ${step.lock}`,
            `--   takes: ${step.duration}`,
            formatStepSql(step),
            "",
          ],
    ),
  );
}

function describeStep(database: string, step: Step) {
  return { database, what: step.what, lock: step.lock, duration: step.duration, sql: formatStepSql(step) };
}

function summary(plans: readonly DatabasePlan[], steps: number, planned: boolean): readonly string[] {
  const databases = plans.map(({ database, verdict, drift }) => ({ database, schema: verdict, drift }));
  return [JSON.stringify({ type: "summary", planned, steps, databases })];
}

function closing(plans: readonly DatabasePlan[], steps: number, planned: boolean): readonly string[] {
  const older = plans
    .filter(({ verdict }) => verdict === "older")
    .map(({ database }) => `${database.padEnd(6)} the database has a newer schema already: nothing to do`);
  const drift = plans.flatMap((plan) =>
    plan.drift.flatMap((found) => [...formatDrift(plan.database, found), ""]),
  );
  const none = "nothing to do: the databases are as the protos say";
  const count = `${steps} ${steps === 1 ? "step" : "steps"}`;
  const altered = drift.length === 0 ? "" : "; what was altered by hand is as it was";
  const last = planned ? `-- ${count} to do` : `applied ${count}${altered}`;
  if (older.length === plans.length) return older;
  return [
    ...older,
    ...(drift.length > 0 ? ["", ...drift] : []),
    steps === 0 && drift.length === 0 ? none : last,
  ];
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
