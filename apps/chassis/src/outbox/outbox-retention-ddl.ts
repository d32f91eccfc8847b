import type { DdlObject } from "../pbtable/ddl-object.ts";

/**
 * What keeps the months of an outbox: makes those to come, and drops those whose events are all in the log. Runs as the
 * owner of the schema; the relay may call it and has no other right to drop anything.
 */
export function outboxRetentionObjects(): readonly DdlObject[] {
  return [
    { kind: "table", identity: `"quartet"."outbox_closed"`, create: createClosedSql },
    { kind: "table", identity: `"quartet"."outbox_late"`, create: createLateSql },
    { kind: "function", identity: `"quartet"."note_late_event"()`, create: createNoteSql },
    { kind: "function", identity: `"quartet"."create_outbox_months"()`, create: createMonthsSql },
    { kind: "function", identity: `"quartet"."close_outbox_months"(interval)`, create: createCloseSql },
    {
      kind: "function",
      identity: `"quartet"."drop_outbox_month"(pg_lsn, text, int)`,
      create: createDropSql,
    },
  ];
}

/** Functions of the outbox that the relay may call, as regprocedure prints them. */
export const outboxRetentionFunctions = [
  "quartet.create_outbox_months()",
  "quartet.close_outbox_months(interval)",
  "quartet.drop_outbox_month(pg_lsn,text,integer)",
] as const;

/**
 * Months that are to be dropped. All that was in one when it was closed was committed before `closed_lsn`.
 *
 * A month is never full: an event whose id is derived from an old cause belongs to the old month, however late it comes.
 * So a closed one still takes events, and notes in `outbox_late` that it did, in their transactions.
 */
const createClosedSql = `create table if not exists quartet.outbox_closed (
  partition text primary key,
  closed_lsn pg_lsn not null,
  closed_at timestamptz not null default now()
)`;

const createLateSql = `create table if not exists quartet.outbox_late (
  partition text not null
)`;

/** Has its owner's rights, for who publishes has none on the note. */
const createNoteSql = `create or replace function quartet.note_late_event() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
  insert into quartet.outbox_late (partition) values (tg_table_name);
  return null;
end
$function$`;

/**
 * Makes the partitions of this month and the next two, unless they are there. Returns how many it made. Attaching takes
 * no lock that a publisher waits for, unless it publishes into the default partition; after 50 ms it fails
 * (lock_not_available), to be tried again. A month of which the default partition has events already stays there.
 */
const createMonthsSql = `create or replace function quartet.create_outbox_months()
returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $function$
declare
  first timestamp := date_trunc('month', now() at time zone 'UTC');
  month timestamp;
  part text;
  made int := 0;
begin
  for month in select first + make_interval(months => later) from generate_series(0, 2) as later loop
    part := format('quartet.outbox_%s', to_char(month, 'YYYY_MM'));
    if to_regclass(part) is null then
      begin
        execute format('create table %s (like quartet.outbox including defaults)', part);
        execute format('alter table quartet.outbox attach partition %s for values from (%L) to (%L)', part,
          rpad(lpad(to_hex((extract(epoch from month) * 1000)::bigint), 12, '0'), 32, '0')::uuid,
          rpad(lpad(to_hex((extract(epoch from month + interval '1 month') * 1000)::bigint), 12, '0'), 32, '0')::uuid);
        made := made + 1;
      exception when check_violation then null;
      end;
    end if;
  end loop;
  return made;
end
$function$`;

/**
 * Closes the months that ended so long ago. Returns how many. Creating the trigger waits for the transactions that publish
 * into the month, so that all of them were committed before the position that is noted; after 50 ms it fails
 * (lock_not_available), to be tried again.
 */
const createCloseSql = `create or replace function quartet.close_outbox_months(keep interval)
returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $function$
declare
  part text;
  closed int := 0;
begin
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'quartet.outbox'::regclass and c.relname ~ '^outbox_\\d{4}_\\d{2}$'
      and make_timestamptz(substr(c.relname, 8, 4)::int, right(c.relname, 2)::int, 1, 0, 0, 0, 'UTC') + interval '1 month'
        < now() - keep
      and not exists (select from quartet.outbox_closed k where k.partition = c.relname)
  loop
    execute format('create trigger quartet_late after insert on quartet.%I
      for each row execute function quartet.note_late_event()', part);
    insert into quartet.outbox_closed (partition, closed_lsn) values (part, pg_current_wal_insert_lsn());
    closed := closed + 1;
  end loop;
  return closed;
end
$function$`;

/**
 * Drops a month that was closed at least ten minutes ago and whose events are all in the log. Returns its name, or null
 * when there is none.
 *
 * They are when the log has all that was committed before the month was closed, and no event has come since; one that has
 * come closes the month anew. The ten minutes are for a capture to find out that this database is not what it was (a
 * backup, a promoted replica), whose positions mean nothing.
 *
 * DROP locks the whole outbox: it waits 50 ms for it at most, and fails then (lock_not_available), to be tried again.
 *
 * @param confirmed up to where all of this database's WAL is in the log; system_id and timeline say which WAL that is
 */
const createDropSql = `create or replace function quartet.drop_outbox_month(confirmed pg_lsn, system_id text, timeline int)
returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $function$
declare
  part text;
begin
  if system_id is distinct from (select system_identifier::text from pg_control_system())
    or timeline is distinct from
      (select s.timeline_id from pg_split_walfile_name(pg_walfile_name(pg_current_wal_lsn())) as s) then
    return null;
  end if;
  select k.partition into part from quartet.outbox_closed k
  where k.closed_lsn <= confirmed and k.closed_at < now() - interval '10 minutes' order by k.partition limit 1;
  if part is null then
    return null;
  end if;
  if to_regclass(format('quartet.%I', part)) is not null then
    lock table only quartet.outbox in access exclusive mode;
    execute format('lock table quartet.%I in access exclusive mode', part);
    if exists (select from quartet.outbox_late l where l.partition = part) then
      delete from quartet.outbox_late l where l.partition = part;
      update quartet.outbox_closed k set closed_lsn = pg_current_wal_insert_lsn(), closed_at = now()
      where k.partition = part;
      return null;
    end if;
    execute format('drop table quartet.%I', part);
  end if;
  delete from quartet.outbox_closed k where k.partition = part;
  return part;
end
$function$`;
