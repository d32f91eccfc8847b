/**
 * The log in the events database.
 *
 * - `event_log`: events of all outboxes in commit order, with a dense sequence, in segments (partitions) that retention
 *   drops as a whole. The functions of `segment-ddl.ts` make and drop them.
 * - `event_log_segment`: which sequence a segment begins with; those up to the next one's beginning are in it.
 * - `event_log_head`: the last sequence; its row lock makes one append at a time.
 * - `event_log_capture`: how far each outbox is in the log, and who may move it.
 * - `event_log_delayed`: events whose time has not come.
 *
 * What an apply finds to be there is not made again, and neither are the first rows: retention may have dropped them.
 */
export const logSql: readonly string[] = [
  `create table if not exists quartet.event_log (
  segment int not null,
  seq bigint not null,
  epoch int not null,
  source text not null,
  event_id uuid not null,
  type text not null,
  key text not null,
  payload text not null,
  causationid text,
  correlationid text,
  traceparent text,
  committed_at timestamptz not null,
  position text,
  primary key (seq, segment)
) partition by list (segment)`,
  "create index if not exists event_log_event_id_idx on quartet.event_log (event_id)",
  `create table if not exists quartet.event_log_segment (
  segment int primary key,
  first_seq bigint not null,
  opened_at timestamptz not null default now()
)`,
  `create table if not exists quartet.event_log_head (
  one boolean primary key default true check (one),
  seq bigint not null,
  epoch int not null,
  segment int not null
)`,
  // The second partition is the next segment's: it is there before anybody writes to it.
  `do $$ begin
  if not exists (select from quartet.event_log_head) then
    create table quartet.event_log_1 (like quartet.event_log including defaults);
    create table quartet.event_log_2 (like quartet.event_log including defaults);
    alter table quartet.event_log attach partition quartet.event_log_1 for values in (1);
    alter table quartet.event_log attach partition quartet.event_log_2 for values in (2);
    insert into quartet.event_log_segment (segment, first_seq) values (1, 1);
    insert into quartet.event_log_head (seq, epoch, segment) values (0, 1, 1);
  end if;
end $$`,
  `create table if not exists quartet.event_log_capture (
  source text primary key,
  lease_epoch bigint not null,
  system_id text,
  timeline int,
  commit_lsn pg_lsn not null default '0/0',
  commit_rows int not null default 0,
  confirmed_lsn pg_lsn not null default '0/0',
  repaired_to pg_lsn not null default '0/0',
  last_event_id uuid,
  repair_due text,
  last_repair_at timestamptz,
  last_repair_reason text,
  last_repair_count bigint
)`,
  `create table if not exists quartet.event_log_delayed (
  event_id uuid primary key,
  due_at timestamptz not null,
  source text not null,
  type text not null,
  key text not null,
  payload text not null,
  causationid text,
  correlationid text,
  traceparent text,
  committed_at timestamptz not null,
  position text,
  place bigint generated always as identity
)`,
  "create index if not exists event_log_delayed_due_idx on quartet.event_log_delayed (due_at, place)",
];

/** Tables that the relay may read and change. */
export const logTables = [
  "event_log",
  "event_log_segment",
  "event_log_head",
  "event_log_capture",
  "event_log_delayed",
] as const;
