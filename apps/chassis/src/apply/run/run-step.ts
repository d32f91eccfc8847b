import { setTimeout as delay } from "node:timers/promises";
import { DatabaseError, type QueryResult } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { sqlStateOf } from "../../sql/translate-error.ts";
import { formatStepSql, lockTimeoutMs, type Step, type StepReport, statementsOf } from "../step.ts";
import { type IndexProgress, watchIndexProgress } from "./index-progress.ts";
import type { LockBudget } from "./lock-budget.ts";
import { watchLockHolders } from "./lock-holders.ts";
import type { Session } from "./open-session.ts";

/** What running a step needs to know. */
export interface StepRun {
  readonly session: Session;
  readonly budget: LockBudget;
  /** Longest wait of an index build for transactions older than itself, in ms. Default: ten minutes. */
  readonly indexWaitMs?: number | undefined;
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined;
}

/** Building an index waits for transactions older than itself, and blocks neither reads nor writes meanwhile. */
const defaultIndexWaitMs = 600_000;
/** How long removing what a failed build left may wait; the next apply removes it otherwise. */
const cleanupWaitMs = 1_000;
const longestPauseMs = 1_000;

/** 55P03: the lock was not free within `lock_timeout`; XX000: two sessions changed one catalog row (grants). */
const lockTimeout = "55P03";
const retriedStates: ReadonlySet<string> = new Set([lockTimeout, "40P01", "XX000"]);

/**
 * Runs a step, again and again while its lock is not to be had. Between two attempts those who waited behind it get
 * through, so that nobody ever waits for longer than one attempt.
 *
 * @throws QuartetError `unavailable` when the budget is spent, with who holds the lock, or when the server is gone;
 * `failed_precondition` when the server refuses.
 */
export async function runStep(step: Step, run: StepRun): Promise<StepReport> {
  const start = performance.now();
  for (let attempt = 1; ; attempt++) {
    const { result, holders } = await attemptStep(step, run, attempt > 1);
    if ("heldMs" in result) {
      return { totalMs: performance.now() - start, heldMs: result.heldMs, attempts: attempt };
    }
    // The next attempt would take the index that this one left for a whole one.
    const clean = step.index === undefined || (await dropInvalidIndex(step.index, run));
    const state = sqlStateOf(result.error) ?? "";
    if (step.index !== undefined && state === lockTimeout)
      throw outOfPatience(step, run, holders, result.error);
    if (!clean || !retriedStates.has(state)) throw refusal(step, result.error);
    run.budget.spend(result.ms);
    if (run.budget.leftMs === 0) throw outOfPatience(step, run, holders, result.error);
    const pauseMs =
      Math.min(longestPauseMs, 25 * 2 ** attempt, run.budget.leftMs) * (0.5 + Math.random() / 2);
    run.budget.spend(pauseMs);
    await delay(pauseMs);
  }
}

type Attempt = { readonly heldMs: number | undefined } | { readonly error: unknown; readonly ms: number };

/** One attempt; from the second on somebody looks who is in the way. */
async function attemptStep(
  step: Step,
  run: StepRun,
  watched: boolean,
): Promise<{ result: Attempt; holders: string }> {
  const start = performance.now();
  const done = new AbortController();
  const watching = watched || step.index !== undefined ? watch(step, run, done.signal) : Promise.resolve("");
  const result = await execute(step, run).then(
    (heldMs): Attempt => ({ heldMs }),
    (error: unknown): Attempt => ({ error, ms: performance.now() - start }),
  );
  done.abort();
  return { result, holders: await watching };
}

/** What is only seen on the second connection; the step does not fail for want of it. */
async function watch(step: Step, { session, onProgress }: StepRun, signal: AbortSignal): Promise<string> {
  try {
    const observer = await session.observe();
    const [holders] = await Promise.all([
      watchLockHolders(observer, session.pid, signal),
      step.index === undefined || onProgress === undefined
        ? undefined
        : watchIndexProgress(observer, session.pid, onProgress, signal),
    ]);
    return holders;
  } catch {
    return "";
  }
}

/** Gives for how long the step's lock was held, in ms. */
async function execute(step: Step, run: StepRun): Promise<number | undefined> {
  const { client } = run.session;
  const { budget, indexWaitMs = defaultIndexWaitMs } = run;
  await client.query(
    `set lock_timeout = ${Math.ceil(step.index === undefined ? lockTimeoutMs : indexWaitMs)}`,
  );
  if (step.locks === undefined) {
    await client.query(step.sql);
    return undefined;
  }
  const { before, sql } = statementsOf(
    step,
    Math.ceil(Math.min(10_000, Math.max(lockTimeoutMs, budget.leftMs))),
  );
  const clock = "select (extract(epoch from clock_timestamp()) * 1000)::float8 as at";
  // One message, so that no round trip is spent while the lock is held.
  const script = ["begin", ...before, clock, sql, clock, "commit"].join(";\n");
  try {
    const results = (await client.query(script)) as unknown as readonly QueryResult<{ at: number }>[]; // one per statement, which the types do not know
    const [from = 0, to = 0] = results.flatMap(({ rows }) => rows.flatMap(({ at }) => at ?? []));
    return to - from;
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

function outOfPatience(step: Step, run: StepRun, holders: string, cause: unknown): QuartetError {
  const index = step.index !== undefined;
  const ms = index ? (run.indexWaitMs ?? defaultIndexWaitMs) : run.budget.totalMs;
  const waited = index ? "for transactions that are older" : "for locks";
  const way = holders || "nobody that was seen";
  return new QuartetError(
    "unavailable",
    `apply gave up at ${step.what}: it waited ${Math.round(ms / 100) / 10} s ${waited}. In the way: ${way}`,
    {
      cause,
      fix: `Run it again when that has ended, or with more patience: ${index ? "--index-wait" : "--lock-wait"} <seconds>.`,
    },
  );
}

/**
 * An index whose build failed costs every write and serves nobody, and `if not exists` would leave it so for ever. Where
 * it cannot be removed now, the next apply does it.
 *
 * @returns whether nothing is left
 */
async function dropInvalidIndex(index: string, { session: { client } }: StepRun): Promise<boolean> {
  try {
    const found = await client.query(
      "select from pg_index where indexrelid = to_regclass($1) and not indisvalid",
      [index],
    );
    if (found.rowCount === 0) return true;
    await client.query(`set lock_timeout = ${cleanupWaitMs}`);
    await client.query(`drop index concurrently if exists ${index}`);
    return true;
  } catch {
    return false; // the failure of the build is the one to tell
  }
}

function refusal(step: Step, cause: unknown): QuartetError {
  const state = sqlStateOf(cause);
  const detail = cause instanceof DatabaseError && cause.detail ? ` (${cause.detail})` : "";
  const message = cause instanceof Error ? cause.message : String(cause);
  const gone = state === undefined || /^(08|53|57P)/.test(state);
  return new QuartetError(
    gone ? "unavailable" : "failed_precondition",
    `apply failed at ${step.what}: ${message}${detail}\n${formatStepSql(step)}`,
    { cause },
  );
}
