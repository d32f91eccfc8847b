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

/** Parks an event after `attempts` failed ones (0 for one that only stands behind another). One that is parked stays so. */
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
values ($1, $2, $3, $4, now() + make_interval(secs => $5::float8 / 1000), $6, $7) on conflict do nothing`,
    values: [
      subscription,
      event.seq,
      event.key,
      attempts,
      dueInMs,
      failure?.status ?? 0,
      storableText(failure?.answer ?? ""),
    ],
  });
}

/** Notes another failed attempt at a parked event. */
export async function postponeParked(
  client: SqlClient,
  subscription: string,
  seq: bigint,
  attempts: number,
  dueInMs: number,
  failure: PushFailure,
): Promise<void> {
  await client.query({
    name: "postpone parked",
    text: `update quartet.parked set attempts = $3, due_at = now() + make_interval(secs => $4::float8 / 1000),
  last_status = $5, last_answer = $6 where subscription = $1 and seq = $2`,
    values: [subscription, seq, attempts, dueInMs, failure.status, storableText(failure.answer)],
  });
}

/** The keys that have parked events. */
export async function readParkedKeys(client: SqlClient, subscription: string): Promise<string[]> {
  const result = await client.query<{ key: string }>({
    name: "read parked keys",
    text: "select distinct key from quartet.parked where subscription = $1",
    values: [subscription],
  });
  return result.rows.map((row) => row.key);
}

export async function hasParked(client: SqlClient, subscription: string, key: string): Promise<boolean> {
  const result = await client.query({
    name: "has parked",
    text: "select from quartet.parked where subscription = $1 and key = $2 limit 1",
    values: [subscription, key],
  });
  return result.rowCount === 1;
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

/** Text that Postgres can hold: without U+0000 and halves of surrogate pairs. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", "");
}
