import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";

/** One statement of a load, given its number. */
export type WriteStatement = (count: number) => {
  readonly text: string;
  readonly values: readonly unknown[];
};

/** What became of a load. Latencies are in ms and count from the moment a write was due, not from when it was sent. */
export interface WriteLoad {
  readonly latencies: readonly number[];
  readonly errors: readonly unknown[];
}

/**
 * Writes at a rate until the signal aborts, and then waits for the last one. Open loop: a write that is slow does not put
 * off those after it, so a stall is seen by all that were due in it.
 */
export async function runWriters(
  pool: Pool,
  statement: WriteStatement,
  perSecond: number,
  signal: AbortSignal,
): Promise<WriteLoad> {
  const latencies: number[] = [];
  const errors: unknown[] = [];
  const pending: Promise<void>[] = [];
  const start = performance.now();
  for (let count = 0; !signal.aborted; count++) {
    const due = start + (count * 1_000) / perSecond;
    if (due > performance.now()) await delay(due - performance.now());
    const { text, values } = statement(count);
    const write = pool.query(text, [...values]).then(
      () => void latencies.push(performance.now() - due),
      (error: unknown) => void errors.push(error),
    );
    pending.push(write);
  }
  await Promise.all(pending);
  return { latencies, errors };
}

/** The longest that any session of a name was seen to wait for a lock on a relation, in ms, until the signal aborts. */
export async function watchLockWaits(pool: Pool, application: string, signal: AbortSignal): Promise<number> {
  let longest = 0;
  while (!signal.aborted) {
    const { rows } = await pool.query<{ ms: number | null }>(
      `select max(extract(epoch from clock_timestamp() - l.waitstart) * 1000)::float8 as ms
from pg_locks l join pg_stat_activity a using (pid)
where not l.granted and l.locktype = 'relation' and a.application_name = $1`,
      [application],
    );
    longest = Math.max(longest, rows[0]?.ms ?? 0);
    await delay(2);
  }
  return longest;
}

/** The value below which a share of all values are. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
