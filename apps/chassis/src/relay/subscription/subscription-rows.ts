import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { subscriptionReader } from "./subscription-table.ts";

/** A subscription as it was last read. */
export interface SubscriptionRow {
  readonly subscription: Subscription;
  /** Another one with each change of the row, also when one of the same name takes its place. */
  readonly version: string;
}

/**
 * Reads all subscriptions, in one query that brings only what has changed.
 *
 * @param known what was read before
 */
export async function readSubscriptionRows(
  client: SqlClient,
  known: ReadonlyMap<string, SubscriptionRow>,
): Promise<ReadonlyMap<string, SubscriptionRow>> {
  const reader = subscriptionReader(client);
  const { rows } = await client.query<{ name: string; version: string; pb: unknown }>({
    name: "read subscription rows",
    text: rowsSql,
    values: [[...known.keys()], [...known.values()].map(({ version }) => version)],
  });
  return new Map(
    rows.map(({ name, version, pb }) => {
      const before = pb === null ? known.get(name) : undefined;
      return [name, before ?? { subscription: reader.decode(pb), version }];
    }),
  );
}

/** One subscription as it is now; undefined when there is none of that name. */
export async function readSubscriptionRow(
  client: SqlClient,
  name: string,
): Promise<SubscriptionRow | undefined> {
  const { rows } = await client.query<{ version: string; pb: unknown }>({
    name: "read subscription row",
    text: `select ${versionSql} as version, s.pb from quartet.subscription s where s.name = $1`,
    values: [name],
  });
  const [row] = rows;
  return row && { subscription: subscriptionReader(client).decode(row.pb), version: row.version };
}

const versionSql = "s.version || ' ' || coalesce(s.pb->>'createTime', '')";

const rowsSql = `select s.name, v.version, case when k.version is distinct from v.version then s.pb end as pb
from quartet.subscription s
  cross join lateral (select ${versionSql} as version) v
  left join unnest($1::text[], $2::text[]) as k (name, version) on k.name = s.name
order by s.name`;
