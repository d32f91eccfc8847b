import type { Pool } from "pg";

/** What the events database tells of the whole deployment. */
export interface RelayGauges {
  readonly head: bigint;
  readonly delayed: number;
  readonly unheldLeases: number;
  readonly subscriptions: readonly {
    readonly name: string;
    readonly lagEvents: number;
    readonly lagSeconds: number;
    readonly parked: number;
    readonly paused: boolean;
  }[];
  /** Of deleted subscriptions too. */
  readonly deadLetters: readonly { readonly subscription: string; readonly count: number }[];
  readonly captures: readonly { readonly source: string; readonly repairDue: boolean }[];
}

/** Reads them in one snapshot of one statement. */
export async function readGauges(pool: Pool): Promise<RelayGauges> {
  const result = await pool.query<{ gauges: Omit<RelayGauges, "head"> & { readonly head: string } }>({
    name: "read relay gauges",
    text: gaugesSql,
  });
  const [row] = result.rows;
  if (row === undefined) throw new TypeError("an aggregate without a row");
  return { ...row.gauges, head: BigInt(row.gauges.head) };
}

/**
 * The oldest event that was not passed is read by its sequence, an index scan of one row a subscription; where retention
 * took it, the oldest that is kept.
 */
const gaugesSql = `with subscription as (
  select s.name, coalesce(s.paused, false) as paused, greatest(head.seq - coalesce(c.seq, head.seq), 0) as lag,
    (select e.committed_at from quartet.event_log e
      where c.seq < head.seq and e.seq = greatest(c.seq + 1, floor.first_seq)) as oldest,
    (select count(*) from quartet.delivery_parked p where p.subscription = s.name) as parked
  from quartet.subscription s cross join quartet.event_log_head head
    cross join (select min(first_seq) as first_seq from quartet.event_log_segment) floor
    left join quartet.delivery_cursor c on c.subscription = s.name
), letter as (
  select subscription, count(*) as count from quartet.dead_letter group by subscription
)
select json_build_object(
  'head', (select seq from quartet.event_log_head)::text,
  'delayed', (select count(*) from quartet.event_log_delayed),
  'unheldLeases', (select count(*) from quartet.relay_lease where holder is null or expires_at < now()),
  'subscriptions', (select coalesce(json_agg(json_build_object('name', name, 'lagEvents', lag,
    'lagSeconds', greatest(extract(epoch from now() - coalesce(oldest, now())), 0), 'parked', parked, 'paused', paused)
    order by name), '[]') from subscription),
  'deadLetters', (select coalesce(json_agg(json_build_object('subscription', subscription, 'count', count)
    order by subscription), '[]') from letter),
  'captures', (select coalesce(json_agg(json_build_object('source', source, 'repairDue', repair_due is not null)
    order by source), '[]') from quartet.event_log_capture)
) as gauges`;
