import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";

/** How far a build of an index is. */
export interface IndexProgress {
  /** Postgres' word for what it is doing, such as `building index: scanning table`. */
  readonly phase: string;
  /** Of the phase, 0 to 100; undefined where the phase has no measure. */
  readonly percent: number | undefined;
}

const intervalMs = 2_000;

/** Reports the build that a backend is at, every two seconds until the signal aborts. */
export async function watchIndexProgress(
  observer: Client,
  pid: number,
  report: (progress: IndexProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const found = await observer.query<{ phase: string; percent: number | null }>(progressSql, [pid]);
    const [row] = found.rows;
    if (row !== undefined && !signal.aborted) report({ phase: row.phase, percent: row.percent ?? undefined });
  }
}

const progressSql = `select phase, coalesce(
  floor(100.0 * blocks_done / nullif(blocks_total, 0)), floor(100.0 * tuples_done / nullif(tuples_total, 0)),
  floor(100.0 * lockers_done / nullif(lockers_total, 0)))::int as percent
from pg_stat_progress_create_index where pid = $1`;
