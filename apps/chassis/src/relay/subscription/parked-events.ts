import type { SqlClient } from "../../pbtable/sql-client.ts";
import type { PushFailure } from "../push/push-outcome.ts";

/** A parked event: its delivery failed, or it stands behind one of its key whose delivery failed. */
export interface ParkedEvent {
  readonly seq: bigint;
  readonly key: string;
  readonly attempts: number;
}

interface ParkedRow {
  readonly seq: bigint;
  readonly key: string;
  readonly attempts: number;
}

/** Parks an event after `attempts` failed ones (0 for one that only stands behind another). Idempotent. */
export async function parkEvent(
  client: SqlClient,
  subscription: string,
  event: { readonly seq: bigint; readonly key: string },
  attempts: number,
  dueInMs: number,
  failure: PushFailure | undefined,
): Promise<void> {
  await client.query({
    name: "park event",
    text: `insert into quartet.parked (subscription, seq, key, attempts, due_at, last_status, last_answer)
values ($1, $2, $3, $4, now() + make_interval(secs => $5::float8 / 1000), $6, $7)
on conflict (subscription, seq) do update
set attempts = excluded.attempts, due_at = excluded.due_at,
  last_status = excluded.last_status, last_answer = excluded.last_answer`,
    values: [
      subscription,
      event.seq,
      event.key,
      attempts,
      dueInMs,
      failure?.status ?? 0,
      failure?.answer.replaceAll("\0", "") ?? "",
    ],
  });
}

/** How many events of each key are parked. */
export async function countParked(
  client: SqlClient,
  subscription: string,
): Promise<ReadonlyMap<string, number>> {
  const result = await client.query<{ key: string; count: bigint }>({
    text: "select key, count(*) as count from quartet.parked where subscription = $1 group by key",
    values: [subscription],
  });
  return new Map(result.rows.map((row) => [row.key, Number(row.count)]));
}

/** The first parked event of each key, where it is due. */
export async function readDueHeads(
  client: SqlClient,
  subscription: string,
  limit: number,
): Promise<ParkedEvent[]> {
  const result = await client.query<ParkedRow>({
    name: "read due heads",
    text: `select seq, key, attempts from (
  select distinct on (key) seq, key, attempts, due_at from quartet.parked where subscription = $1 order by key, seq
) heads where due_at <= now() order by due_at limit $2`,
    values: [subscription, limit],
  });
  return result.rows;
}

export async function removeParked(client: SqlClient, subscription: string, seq: bigint): Promise<void> {
  await client.query({
    name: "remove parked",
    text: "delete from quartet.parked where subscription = $1 and seq = $2",
    values: [subscription, seq],
  });
}
