import type { DdlObject } from "../../pbtable/ddl-object.ts";

/**
 * What makes and drops the log's segments. They run as the owner of the schema: the relay's login owns nothing, and can
 * drop nothing but what these functions find to be done with.
 */
export function segmentFunctions(): readonly DdlObject[] {
  return [
    { kind: "function", identity: `"quartet"."rotate_event_log"(bigint, interval)`, create: createRotateSql },
    {
      kind: "function",
      identity: `"quartet"."drop_event_log_segment"(interval, interval)`,
      create: createDropSql,
    },
  ];
}

/** Functions of the log that the relay may call, as regprocedure prints them. */
export const segmentFunctionNames = [
  "quartet.rotate_event_log(bigint,interval)",
  "quartet.drop_event_log_segment(interval,interval)",
] as const;

/**
 * Begins the next segment when the newest has so many events, or was opened so long ago and is not empty. Returns its
 * number, or null when there is nothing to do.
 *
 * The partition of the segment after it is made with it: it is there, and known to every connection, long before anybody
 * writes to it. Attaching one takes SHARE UPDATE EXCLUSIVE on the log, which no append and no read waits for; appends
 * wait from when `head` is moved until COMMIT. Two of them at once take turns.
 */
const createRotateSql = `create or replace function quartet.rotate_event_log(max_events bigint, max_age interval)
returns int language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
declare
  head quartet.event_log_head;
  newest quartet.event_log_segment;
  part text;
begin
  lock table quartet.event_log_segment in share row exclusive mode;
  select * into strict head from quartet.event_log_head;
  select * into strict newest from quartet.event_log_segment where segment = head.segment;
  if head.seq < newest.first_seq then
    -- The age of a segment begins with its first event.
    update quartet.event_log_segment set opened_at = now()
    where segment = newest.segment and opened_at < now() - max_age / 2;
    return null;
  end if;
  if head.seq - newest.first_seq + 1 < max_events and newest.opened_at > now() - max_age then
    return null;
  end if;
  for number in head.segment + 1 .. head.segment + 2 loop
    part := format('quartet.event_log_%s', number);
    if to_regclass(part) is null then
      execute format('create table %s (like quartet.event_log including defaults)', part);
      execute format('alter table quartet.event_log attach partition %s for values in (%s)', part, number);
    end if;
  end loop;
  update quartet.event_log_head set segment = segment + 1 returning * into head;
  insert into quartet.event_log_segment (segment, first_seq) values (head.segment, head.seq + 1);
  return head.segment;
end
$function$`;

/**
 * Drops the oldest segment when all of it is older than `keep` and no subscription needs it any more, or when all of it
 * is older than `hold`. Returns its number, or null when there is nothing to do.
 *
 * A subscription that still needed a segment that is dropped is paused, and its pause reason says what it has lost. Parked
 * events that are lost stay parked: resumed, it makes dead letters of them.
 *
 * DROP locks the whole log: it waits 50 ms for it at most, and fails then (lock_not_available), to be tried again.
 */
const createDropSql = `create or replace function quartet.drop_event_log_segment(keep interval, hold interval)
returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $function$
declare
  oldest record;
  waiting text[];
begin
  lock table quartet.event_log_segment in share row exclusive mode;
  -- A segment is as old as its newest event: it was full when the next one was opened.
  select s.segment, s.first_seq, next.first_seq - 1 as last_seq, next.opened_at as full_at into oldest
  from quartet.event_log_segment s join quartet.event_log_segment next on next.segment = s.segment + 1
  order by s.segment limit 1;
  if oldest.segment is null or oldest.full_at > now() - keep then
    return null;
  end if;
  waiting := array(
    select subscription from quartet.delivery_cursor where seq < oldest.last_seq
    union select subscription from quartet.delivery_parked
      where seq between oldest.first_seq and oldest.last_seq and letter is null
  );
  if cardinality(waiting) > 0 and oldest.full_at > now() - hold then
    return null;
  end if;
  update quartet.subscription s set version = s.version + 1, pb = s.pb || jsonb_build_object('paused', true, 'pauseReason',
    format('Events up to sequence %s were dropped before they were delivered, from sequence %s on: events are kept for %s.',
      oldest.last_seq,
      least((select c.seq + 1 from quartet.delivery_cursor c where c.subscription = s.name),
        (select min(p.seq) from quartet.delivery_parked p
          where p.subscription = s.name and p.seq >= oldest.first_seq and p.letter is null)),
      hold))
  where s.name = any(waiting);
  lock table only quartet.event_log in access exclusive mode;
  execute format('drop table quartet.event_log_%s', oldest.segment);
  delete from quartet.event_log_segment where segment = oldest.segment;
  return oldest.segment;
end
$function$`;
