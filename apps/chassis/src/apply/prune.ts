import type { Domain } from "../service/domain.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { type PruneStep, planPrune } from "./prune-plan.ts";
import { LockBudget } from "./run/lock-budget.ts";
import { openSession, type Session, takeApplyLock } from "./run/open-session.ts";
import { runStep } from "./run/run-step.ts";

export interface PruneOptions {
  /** Longest time that may be spent on waiting for locks, over all steps. */
  readonly lockWaitMs: number;
  /** Gets each step before it runs. */
  readonly onStep?: (step: PruneStep) => void;
}

/** What a database's histories have that is older than their retention, as the steps that would remove it. */
export async function readPrunePlan(domain: Domain, databaseUrl: string): Promise<readonly PruneStep[]> {
  return inSession(databaseUrl, (session) => planNow(session, domain));
}

/**
 * Removes from the histories of a domain's tables what is older than their retention, and nothing else. Tables without
 * `history_retention` are never touched. Safe on a live system: nobody waits for longer than one attempt at a lock.
 * Interrupted and run again, it ends right; takes turns with `quartet apply`.
 *
 * @param databaseUrl of an owner of the main database
 * @returns how many steps it took
 * @throws QuartetError `unavailable` when a lock cannot be had in time or the database is away.
 */
export async function pruneHistory(
  domain: Domain,
  databaseUrl: string,
  options: PruneOptions,
): Promise<number> {
  return inSession(databaseUrl, async (session) => {
    await takeApplyLock(session);
    const steps = await planNow(session, domain);
    const budget = new LockBudget(options.lockWaitMs);
    for (const step of steps) {
      options.onStep?.(step);
      if (step.batchRows === undefined) await runStep(step, { session, budget });
      else await runBatches(session, step, step.batchRows);
    }
    return steps.length;
  });
}

/** The histories' clock is the database's. */
async function planNow({ client }: Session, domain: Domain): Promise<readonly PruneStep[]> {
  const found = await client.query<{ now: Date }>("select now() as now");
  return planPrune(client, domain.tables, found.rows[0]?.now ?? new Date());
}

/** Ends although rows of that age kept coming: there are then fewer than a batch of them. */
async function runBatches({ client }: Session, step: PruneStep, batchRows: number): Promise<void> {
  let deleted = batchRows;
  while (deleted >= batchRows) deleted = (await client.query(step.sql)).rowCount ?? 0;
}

async function inSession<T>(databaseUrl: string, work: (session: Session) => Promise<T>): Promise<T> {
  try {
    await using session = await openSession(databaseUrl);
    return await work(session);
  } catch (error) {
    throw translateDatabaseError(error);
  }
}
