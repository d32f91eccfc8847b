/**
 * What the relay owns, in the events database.
 *
 * - `log`: events of all outboxes in commit order, with a dense sequence.
 * - `log_head`: the last sequence; its row lock makes one append at a time.
 * - `capture`: whether all of an outbox that its slot does not bring is in the log.
 * - `cursor`: how far each subscription is; everything at or below is delivered, parked or dead.
 * - `parked`: events whose delivery failed, and those behind them with the same key.
 */
export const logSql: readonly string[] = [
  `create table if not exists quartet.log (
  seq bigint primary key,
  source text not null,
  event_id uuid not null unique,
  type text not null,
  key text not null,
  payload jsonb not null,
  causationid text,
  correlationid text,
  traceparent text,
  committed_at timestamptz not null,
  position text
)`,
  `create table if not exists quartet.log_head (
  one boolean primary key default true check (one),
  seq bigint not null
)`,
  "insert into quartet.log_head (seq) values (0) on conflict do nothing",
  `create table if not exists quartet.capture (
  source text primary key,
  system_id text not null,
  repaired boolean not null
)`,
  `create table if not exists quartet.cursor (
  subscription text primary key,
  seq bigint not null
)`,
  `create table if not exists quartet.parked (
  subscription text not null,
  seq bigint not null,
  key text not null,
  attempts int not null default 0,
  due_at timestamptz not null,
  last_status int not null default 0,
  last_answer text not null default '',
  primary key (subscription, seq)
)`,
  "create index if not exists parked_key_idx on quartet.parked (subscription, key, seq)",
];

/** Tables of the log that the relay may read and change. */
export const logTables = ["log", "log_head", "capture", "cursor", "parked"] as const;
