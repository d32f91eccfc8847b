import type { DdlObject } from "../pbtable/ddl-object.ts";

/** What has had its effect: one row per consumer and event, written in the transaction of the effect. */
export const inboxSql: readonly string[] = [
  `create table if not exists quartet.inbox (
  consumer text not null,
  event_id text not null,
  claimed_at timestamptz not null default now(),
  primary key (consumer, event_id)
)`,
  "create index if not exists inbox_claimed_at_idx on quartet.inbox (claimed_at)",
];

/** What forgets effects of long ago. Runs as the owner of the schema. */
export function inboxRetentionObjects(): readonly DdlObject[] {
  return [{ kind: "function", identity: `"quartet"."prune_inbox"(interval, int)`, create: createPruneSql }];
}

/** Functions of the inbox that the relay may call, as regprocedure prints them. */
export const inboxRetentionFunctions = ["quartet.prune_inbox(interval,integer)"] as const;

/**
 * Deletes effects that are older than `keep`, the oldest first, so many at most. Returns how many. Idempotency keys are
 * effects too, so none is deleted that is younger than a day, whatever is asked for.
 */
const createPruneSql = `create or replace function quartet.prune_inbox(keep interval, max_rows int)
returns int language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
declare
  pruned int;
begin
  delete from quartet.inbox where ctid = any(array(
    select ctid from quartet.inbox where claimed_at < now() - greatest(keep, interval '1 day')
    order by claimed_at limit max_rows
  ));
  get diagnostics pruned = row_count;
  return pruned;
end
$function$`;
