/**
 * Who does what among the relay processes of a deployment. Times are the database's clock.
 *
 * - `relay_process`: those that live; one that was not seen for the lifetime of a lease is dead.
 * - `relay_lease`: who holds what, and until when unless it is renewed. Pages are half full, so that renewals find room
 *   beside the row and touch no index.
 * - `relay_epoch`: the last epoch that was given, to whatever.
 */
export const leaseSql: readonly string[] = [
  `create table if not exists quartet.relay_process (
  process text primary key,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  url text not null default ''
)`,
  `create table if not exists quartet.relay_lease (
  name text primary key,
  epoch bigint not null default 0,
  holder text,
  expires_at timestamptz not null default '-infinity'
) with (fillfactor = 50)`,
  `create table if not exists quartet.relay_epoch (
  one boolean primary key default true check (one),
  epoch bigint not null
)`,
  "insert into quartet.relay_epoch (epoch) values (0) on conflict do nothing",
];

/**
 * A common table expression of one row: an epoch above all that there ever were. Its number is the database's time in ms,
 * so that an epoch whose commit was lost in a failover is not given to somebody else.
 */
export const nextEpochSql = `next_epoch as (
  update quartet.relay_epoch
  set epoch = greatest(epoch + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint) returning epoch
)`;

/** Tables that the relay may read and change. */
export const leaseTables = ["relay_process", "relay_lease", "relay_epoch"] as const;
