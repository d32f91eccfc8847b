import type { DdlObject } from "../pbtable/ddl-object.ts";

/**
 * What forgets operations that ended long ago. Runs as the owner of the schema, in whatever database has operations.
 *
 * Rows are deleted in bounded batches, and not by dropping partitions: an operation's id is derived of principal, method
 * and key alone, so that a repeat finds it on whatever day it comes. A unique index on it cannot exist on a table that is
 * partitioned by time, and builds before this one (which share the table during a deployment) claim operations by
 * `on conflict (operation_id)`, which needs that index; nor may `quartet apply` rewrite or drop the table that is there.
 * Measured on two cores that others kept busy: 5,000 rows of 1 kB in 80 to 150 ms, so 100,000 an hour cost three seconds.
 */
export function operationRetentionObjects(): readonly DdlObject[] {
  return [
    { kind: "function", identity: `"quartet"."prune_operations"(interval, int)`, create: createPruneSql },
  ];
}

/** Functions that the relay may call, as regprocedure prints them. */
export const operationRetentionFunctions = ["quartet.prune_operations(interval,integer)"] as const;

/**
 * Deletes operations that ended longer than `keep` ago, the oldest first, so many at most. Returns how many. None is
 * deleted that ended less than a day ago, whatever is asked for, nor one that has not ended: what it becomes is still owed.
 */
const createPruneSql = `create or replace function quartet.prune_operations(keep interval, max_rows int)
returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $function$
declare
  cutoff timestamptz := now() - greatest(keep, interval '1 day');
  pruned int;
begin
  if to_regclass('quartet.operation') is null then
    return 0;
  end if;
  delete from quartet.operation where ctid = any(array(
    select ctid from quartet.operation where accept_time < cutoff and end_time < cutoff
      and state in ('OPERATION_STATE_COMMITTED', 'OPERATION_STATE_FAILED')
    order by accept_time limit max_rows for update skip locked
  ));
  get diagnostics pruned = row_count;
  return pruned;
end
$function$`;
