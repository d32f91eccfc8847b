import type { Pool, PoolClient } from "pg";
import { runTransaction } from "../../sql/run-transaction.ts";
import {
  refuseDeclared,
  requireSubscription,
  subscriptionReader,
  subscriptionWriter,
} from "./subscription-table.ts";

/**
 * Deletes a subscription with its cursor, what is parked, and its attempts; and its replays. Its dead letters stay.
 * Whoever delivers it stores nothing more: its cursor is what that is fenced by.
 *
 * @param declaredNames what the code of the domain declares now: those are refused, since the next start would make them anew
 * @throws QuartetError `not_found`, `failed_precondition`.
 */
export async function deleteSubscription(
  pool: Pool,
  name: string,
  declaredNames: ReadonlySet<string>,
): Promise<void> {
  await runTransaction(pool, async (client) => {
    const found = requireSubscription(await subscriptionReader(client).get(name), name);
    if (declaredNames.has(name)) refuseDeclared(found, "deleted");
    const replays = await client.query<{ name: string }>(
      "select name from quartet.subscription where replay_of = $1 order by name",
      [name],
    );
    for (const replay of replays.rows) await removeSubscription(client, replay.name);
    await removeSubscription(client, name);
  });
}

/** Removes all of a subscription but its dead letters, inside a transaction. The cursor first, as its holder locks them. */
export async function removeSubscription(client: PoolClient, name: string): Promise<void> {
  await client.query("delete from quartet.delivery_cursor where subscription = $1", [name]);
  await client.query("delete from quartet.delivery_parked where subscription = $1", [name]);
  await client.query("delete from quartet.delivery_attempt where subscription = $1", [name]);
  await subscriptionWriter(client).delete(name);
}
