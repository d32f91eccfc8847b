import type { SqlClient } from "../sql/sql-client.ts";

/**
 * Claims an event for a consumer in the caller's transaction. Of two concurrent claims the second waits for the
 * first transaction to end. Needs INSERT on the inbox and nothing else.
 *
 * @returns false when its effect was committed before: then do nothing and acknowledge.
 */
export async function claimEvent(client: SqlClient, consumer: string, eventId: string): Promise<boolean> {
  const result = await client.query({
    name: "claim event",
    text: "insert into quartet.inbox (consumer, event_id) values ($1, $2) on conflict do nothing",
    values: [consumer, eventId],
  });
  return result.rowCount === 1;
}
