import type { Pool } from "pg";

/** Of more than so many in a state, those alone are counted that have not moved for longest. */
const maxCounted = 2_000;

/** The runs of a saga that have not ended and are in one state. */
export interface OpenSagas {
  readonly saga: string;
  /** Such as `running`. */
  readonly status: string;
  readonly count: number;
  /** Since the first of them began. */
  readonly oldestSeconds: number;
}

/**
 * Counts the runs that have not ended, by the index on their state: of the ended ones none is looked at, and of the others
 * 2,000 in each state at most, so that a budget of 100 ms is enough (measured: 11 ms for 2,000 rows of 1.2 kB).
 */
export async function countOpenSagas(pool: Pool): Promise<readonly OpenSagas[]> {
  const result = await pool.query<OpenSagas>({ name: "count open sagas", text: countSql });
  return result.rows;
}

const countSql = `select saga, lower(substr(found.status, length('SAGA_STATUS_') + 1)) as status, count(*)::int as count,
  coalesce(greatest(extract(epoch from now() - min(start_time)), 0), 0)::float8 as "oldestSeconds"
from unnest(array['SAGA_STATUS_RUNNING', 'SAGA_STATUS_COMPENSATING', 'SAGA_STATUS_STUCK']) as open (status)
  cross join lateral (
    select run.saga, run.status, run.start_time from quartet.saga as run where run.status = open.status
    order by run.update_time limit ${maxCounted}
  ) as found
group by saga, found.status`;
