import type { SqlClient } from "../../pbtable/sql-client.ts";

/** How far a subscription is: everything at or below is delivered, parked or dead. */
export async function readCursor(client: SqlClient, subscription: string): Promise<bigint> {
  const result = await client.query<{ seq: bigint }>({
    name: "read cursor",
    text: "select seq from quartet.cursor where subscription = $1",
    values: [subscription],
  });
  return result.rows[0]?.seq ?? 0n;
}

/** Moves a cursor on, never back. */
export async function moveCursor(client: SqlClient, subscription: string, seq: bigint): Promise<void> {
  await client.query({
    name: "move cursor",
    text: "update quartet.cursor set seq = $2 where subscription = $1 and seq < $2",
    values: [subscription, seq],
  });
}
