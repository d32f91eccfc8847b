/**
 * How far each subscription is, in the events database.
 *
 * - `delivery_cursor`: everything at or below is delivered, parked or dead; and which holder of the subscription's lease
 *   may move it. `revision` grows whenever somebody else than the holder changed what is parked; whoever does so locks
 *   the row first, so that holder and others follow one another.
 * - `delivery_parked`: events whose delivery failed, those behind them in order, and dead letters that were given back.
 *   `lane`: what waits for one another, as the subscription's order says. `head`: the first of each lane is marked, the
 *   one that is tried; others may be. `letter`: the dead letter that the event was, as `quartet.dead_letter` had it: the
 *   log may have dropped the event since, and then it is delivered from here.
 * - `delivery_attempt`: pushes, as the subscription's attempt log asks for. A dead letter takes its event's with it.
 */
export const deliverySql: readonly string[] = [
  `create table if not exists quartet.delivery_cursor (
  subscription text primary key,
  seq bigint not null,
  lease_epoch bigint not null default 0,
  revision bigint not null default 0,
  moved_at timestamptz not null default now()
)`,
  `create table if not exists quartet.delivery_parked (
  subscription text not null,
  seq bigint not null,
  lane text not null,
  key text not null,
  head boolean not null,
  attempts int not null default 0,
  due_at timestamptz not null,
  parked_at timestamptz not null default now(),
  last_status int not null default 0,
  last_answer text not null default '',
  last_destination text not null default '',
  letter jsonb,
  primary key (subscription, seq)
)`,
  "create index if not exists delivery_parked_lane_idx on quartet.delivery_parked (subscription, lane, seq)",
  "create index if not exists delivery_parked_due_idx on quartet.delivery_parked (subscription, due_at) where head",
  `create table if not exists quartet.delivery_attempt (
  subscription text not null,
  seq bigint not null,
  attempt int not null,
  attempted_at timestamptz not null,
  duration_ms int not null,
  status int not null,
  destination text not null,
  answer text not null
)`,
  "create index if not exists delivery_attempt_event_idx on quartet.delivery_attempt (subscription, seq)",
  "create index if not exists delivery_attempt_time_idx on quartet.delivery_attempt using brin (attempted_at)",
];

/** Tables that the relay may read and change. */
export const deliveryTables = ["delivery_cursor", "delivery_parked", "delivery_attempt"] as const;
