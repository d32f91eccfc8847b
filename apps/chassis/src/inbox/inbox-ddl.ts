/** What has had its effect: one row per consumer and event, written in the transaction of the effect. */
export const inboxSql: readonly string[] = [
  `create table if not exists quartet.inbox (
  consumer text not null,
  event_id text not null,
  claimed_at timestamptz not null default now(),
  primary key (consumer, event_id)
)`,
];
