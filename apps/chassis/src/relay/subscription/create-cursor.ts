import type { SqlClient } from "../../sql/sql-client.ts";
import { nextEpochSql } from "../lease/lease-ddl.ts";

/**
 * Has a new subscription begin after a sequence. Whoever held the lease of its name until now, as one that was deleted had
 * it, can do nothing with the new cursor: only leases of later epochs can take it. A cursor that is there stays.
 */
export async function createCursor(client: SqlClient, subscription: string, seq: bigint): Promise<void> {
  await client.query({
    text: `with ${nextEpochSql}
insert into quartet.delivery_cursor (subscription, seq, lease_epoch) select $1, $2, epoch from next_epoch
on conflict do nothing`,
    values: [subscription, seq],
  });
}
