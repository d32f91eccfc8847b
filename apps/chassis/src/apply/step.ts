/** One statement of a plan: what it is for, what it costs, and how it is run. */
export interface Step {
  readonly what: string;
  /** Run in one transaction, unless it builds an index. */
  readonly sql: string;
  /** The lock that is taken, on what, and whom it holds up. */
  readonly lock: string;
  /** How long it takes, in words. */
  readonly duration: string;
  /** What is locked, in the same transaction, before `sql`: quoted relation and lock mode. */
  readonly locks?: { readonly relation: string; readonly mode: "access exclusive" | "share row exclusive" };
  /** Quoted name of the index that is built or dropped concurrently. */
  readonly index?: string;
}

/** What a step took. */
export interface StepReport {
  /** From the first attempt to the end, with all waiting. */
  readonly totalMs: number;
  /** For how long `locks` was held, without the wait for it and the commit. Undefined for a step without. */
  readonly heldMs: number | undefined;
  readonly attempts: number;
}

export const noLock = "none that anybody waits for";
export const catalogOnly = "milliseconds: catalog only";

/** Longest that a statement may keep writers waiting behind it, in ms. */
export const lockTimeoutMs = 50;

/**
 * Taken first, and for as long as it lasts: conflicts with no reader and no writer, but with autovacuum, which gives way
 * to who waits a second (deadlock_timeout), and with other changes of the table. The lock that does hold up writers is
 * then only waited for behind readers and writers.
 */
const gentleMode = "share update exclusive";

/** The statements of a step in the order they run, all in one transaction; of an index, the one statement. */
export function statementsOf(step: Step, gentleTimeoutMs = 10_000): { before: string[]; sql: string } {
  if (step.locks === undefined) return { before: [], sql: step.sql };
  const { relation, mode } = step.locks;
  const before = [
    `set local lock_timeout = '${gentleTimeoutMs}ms'`,
    `lock table ${relation} in ${gentleMode} mode`,
    `set local lock_timeout = '${lockTimeoutMs}ms'`,
    `lock table ${relation} in ${mode} mode`,
  ];
  return { before, sql: step.sql };
}

/** The exact SQL of a step, as a script. */
export function formatStepSql(step: Step): string {
  const { before, sql } = statementsOf(step);
  const lines = before.length === 0 ? [sql] : ["begin", ...before, sql, "commit"];
  return `${lines.join(";\n")};`;
}
