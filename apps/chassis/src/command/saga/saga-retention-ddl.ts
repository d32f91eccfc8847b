import type { DdlObject } from "../../pbtable/ddl-object.ts";

/**
 * What forgets runs of sagas that ended long ago. Runs as the owner of the schema, in whatever database has runs. Those
 * that are stuck, or open for whatever reason, are never deleted: something is still owed to them.
 *
 * While a run is there, all that comes for it again finds that it has ended. So it is kept for longer than any event from
 * before its end may come again by itself: an hour longer than inboxes remember events (run-housekeeping.ts), which is a
 * day longer than the log has them, however far behind a subscription is. What can come after that:
 *
 * - A timeout, which is held back for up to a year, an outcome, a `cancelled` or a retry. There is no run: it is nothing.
 * - A step that was due, when its dead letter is redriven. Its code is not run (saga-reactions.ts).
 * - The event that began it, when its dead letter is redriven although it had had its effect. The inbox has forgotten it
 *   too: it has its effect again, as with every reaction, which here is a second run.
 * - Another event that begins a run, with the same key: a run of its own.
 */
export function sagaRetentionObjects(): readonly DdlObject[] {
  return [{ kind: "function", identity: `"quartet"."prune_sagas"(interval, int)`, create: createPruneSql }];
}

/** Functions that the relay may call, as regprocedure prints them. */
export const sagaRetentionFunctions = ["quartet.prune_sagas(interval,integer)"] as const;

/**
 * Deletes runs that ended longer than `keep` ago, the oldest first, so many at most. Returns how many. None is deleted that
 * ended less than a day ago, whatever is asked for. One that is opened again meanwhile is locked, or is judged anew.
 *
 * Found by the index on state and time of the last change, state by state as it orders within one. No bitmap scans: where
 * the table was not analyzed for long, they read all old runs for each batch (of 110,000 in 500 ms, and not in 60).
 */
const createPruneSql = `create or replace function quartet.prune_sagas(keep interval, max_rows int)
returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '1s' set enable_bitmapscan = off as $function$
declare
  cutoff timestamptz := now() - greatest(keep, interval '1 day');
  pruned int;
begin
  if to_regclass('quartet.saga') is null then
    return 0;
  end if;
  delete from quartet.saga where ctid = any(array(
    select old.ctid
    from unnest(array['SAGA_STATUS_COMPLETED', 'SAGA_STATUS_COMPENSATED']) as ended (status)
      cross join lateral (
        select run.ctid, run.update_time from quartet.saga as run
        where run.status = ended.status and run.update_time < cutoff and run.end_time < cutoff
        order by run.update_time limit max_rows for update skip locked
      ) as old
    order by old.update_time limit max_rows
  ));
  get diagnostics pruned = row_count;
  return pruned;
end
$function$`;
