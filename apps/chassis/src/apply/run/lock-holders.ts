import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";

/** Who keeps a session waiting. */
interface Holder {
  readonly pid: number;
  readonly application: string | null;
  readonly kind: string | null;
  readonly state: string | null;
  /** Age of its transaction, in seconds. */
  readonly age: number | null;
  readonly query: string | null;
}

const firstPauseMs = 10;
const longestPauseMs = 250;

/**
 * Looks, until the signal aborts, who keeps a backend waiting.
 *
 * @returns those last seen, in words; empty when nobody was seen
 */
export async function watchLockHolders(observer: Client, pid: number, signal: AbortSignal): Promise<string> {
  let seen: readonly Holder[] = [];
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)) {
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const found = await observer.query<Holder>(holdersSql, [pid]);
    if (found.rows.length > 0) seen = found.rows;
  }
  return seen.map(describeHolder).join("; ");
}

/** pg_blocking_pids gives 0 for a prepared transaction. */
const holdersSql = `select distinct b.pid, a.application_name as application, a.backend_type as kind, a.state,
  extract(epoch from clock_timestamp() - a.xact_start)::float8 as age, left(a.query, 120) as query
from unnest(pg_blocking_pids($1)) as b(pid) left join pg_stat_activity a on a.pid = b.pid`;

function describeHolder({ pid, application, kind, state, age, query }: Holder): string {
  if (pid === 0) return "a prepared transaction (see pg_prepared_xacts)";
  const name = application || (kind ?? "unknown");
  const since = age === null ? "" : `, in its transaction for ${age.toFixed(1)} s`;
  return `pid ${pid} (${name}, ${state ?? "gone"}${since}): ${query ?? "no query"}`;
}
