import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type SubscriptionState, SubscriptionStateSchema } from "../../gen/quartet/v1/relay_admin_pb.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { requireSubscription, subscriptionReader } from "./subscription-table.ts";

interface StateRow {
  readonly pb: unknown;
  readonly cursor: bigint | null;
  readonly head: bigint;
  readonly lag_ms: number | null;
  readonly parked: bigint;
  readonly dead_letters: bigint;
  readonly holder: string | null;
}

/** All subscriptions and how they fare, by name, in one snapshot. */
export async function listSubscriptions(client: SqlClient): Promise<SubscriptionState[]> {
  return readStates(client, null);
}

/** @throws QuartetError `not_found`. */
export async function getSubscription(client: SqlClient, name: string): Promise<SubscriptionState> {
  const [state] = await readStates(client, name);
  requireSubscription(state?.subscription, name);
  return create(SubscriptionStateSchema, state);
}

async function readStates(client: SqlClient, name: string | null): Promise<SubscriptionState[]> {
  const reader = subscriptionReader(client);
  const { rows } = await client.query<StateRow>({
    name: "read subscriptions",
    text: statesSql,
    values: [name],
  });
  return rows.map((row) =>
    create(SubscriptionStateSchema, {
      subscription: reader.decode(row.pb),
      cursor: row.cursor ?? row.head,
      head: row.head,
      ...(row.lag_ms === null ? {} : { lag: durationFromMs(Math.max(0, Math.round(row.lag_ms))) }),
      parked: row.parked,
      deadLetters: row.dead_letters,
      holder: row.holder ?? "",
    }),
  );
}

/** The oldest event that was not passed is found by its sequence; where retention took it, the oldest that is kept. */
const statesSql = `select s.pb, c.seq as cursor, head.seq as head, l.holder,
  (select extract(epoch from now() - e.committed_at)::float8 * 1000 from quartet.event_log e
    where c.seq < head.seq and e.seq = greatest(c.seq + 1, floor.first_seq)) as lag_ms,
  (select count(*) from quartet.delivery_parked p where p.subscription = s.name) as parked,
  (select count(*) from quartet.dead_letter d where d.subscription = s.name) as dead_letters
from quartet.subscription s
  cross join quartet.event_log_head head
  cross join (select min(first_seq) as first_seq from quartet.event_log_segment) floor
  left join quartet.delivery_cursor c on c.subscription = s.name
  left join quartet.relay_lease l on l.name = 'subscription/' || s.name and l.expires_at > now()
where $1::text is null or s.name = $1
order by s.name`;
