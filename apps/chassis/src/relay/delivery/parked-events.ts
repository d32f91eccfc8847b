import type { SqlClient } from "../../sql/sql-client.ts";
import type { PushFailure } from "../push/push-outcome.ts";
import { type AttemptRecord, attemptValues, insertAttemptsSql, storableText } from "./attempts.ts";
import { type CursorFence, fenceSql, requireRow } from "./cursor.ts";
import { type LaneOrder, laneSql } from "./delivery-plan.ts";

/** An event to be parked, after `attempts` failed ones: 0 for one that only stands behind another. */
export interface ParkRow {
  readonly seq: bigint;
  readonly laneId: string;
  readonly key: string;
  readonly head: boolean;
  readonly attempts: number;
  readonly dueInMs: number;
  readonly failure: PushFailure | undefined;
}

/** A parked event that failed once more. */
export interface PostponeRow {
  readonly seq: bigint;
  readonly attempts: number;
  readonly dueInMs: number;
  readonly failure: PushFailure;
}

/** A lane of which all that was loaded is gone: what comes next is wanted, at most so many events. */
export interface WantedLane {
  readonly laneId: string;
  readonly limit: number;
}

/** A parked event as it is stored. */
export interface ParkedRow {
  readonly seq: bigint;
  readonly laneId: string;
  readonly key: string;
  readonly attempts: number;
  readonly dueInMs: number;
  /** JSON text of the dead letter that it was. */
  readonly letter: string | undefined;
}

/** Parks events in one statement. One that is parked stays as it is. @throws QuartetError `lease_lost`. */
export async function parkEvents(
  client: SqlClient,
  fence: CursorFence,
  rows: readonly ParkRow[],
  attempts: readonly AttemptRecord[],
): Promise<void> {
  const result = await client.query<{ held: number }>({
    name: "park events",
    text: parkSql,
    values: [
      fence.subscription,
      fence.epoch,
      rows.map(({ seq }) => seq),
      rows.map(({ laneId }) => laneId),
      rows.map(({ key }) => key),
      rows.map(({ head }) => head),
      rows.map(({ attempts }) => attempts),
      rows.map(({ dueInMs }) => dueInMs),
      rows.map(({ failure }) => failure?.status ?? 0),
      rows.map(({ failure }) => storableText(failure?.answer ?? "")),
      rows.map(({ failure }) => failure?.destination ?? ""),
      ...attemptValues(attempts),
    ],
  });
  requireRow(result.rows, fence);
}

const parkSql = `with ${fenceSql},
parked as (
  insert into quartet.delivery_parked (subscription, seq, lane, key, head, attempts, due_at, last_status, last_answer,
    last_destination)
  select $1, seq, lane, key, head, attempts, now() + make_interval(secs => due / 1000), status, answer, destination
  from fence, unnest($3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::int[], $8::float8[], $9::int[], $10::text[],
    $11::text[]) as row (seq, lane, key, head, attempts, due, status, answer, destination)
  on conflict do nothing
), attempted as (${insertAttemptsSql(12)})
select 1 as held from fence`;

/** What became of parked events that were pushed again. */
export interface RetriedRows {
  /** They are delivered. */
  readonly removed: readonly bigint[];
  readonly postponed: readonly PostponeRow[];
  readonly wanted: readonly WantedLane[];
}

/**
 * Stores it in one statement, and marks what is now the first of each wanted lane.
 *
 * @returns the first events of the wanted lanes, in order; those of a lane that is empty are none.
 * @throws QuartetError `lease_lost`.
 */
export async function storeRetried(
  client: SqlClient,
  fence: CursorFence,
  { removed, postponed, wanted }: RetriedRows,
  attempts: readonly AttemptRecord[],
): Promise<readonly ParkedRow[]> {
  const result = await client.query<StoredParkedRow & { readonly held: number }>({
    name: "store retried",
    text: retriedSql,
    values: [
      fence.subscription,
      fence.epoch,
      removed,
      postponed.map(({ seq }) => seq),
      postponed.map(({ attempts }) => attempts),
      postponed.map(({ dueInMs }) => dueInMs),
      postponed.map(({ failure }) => failure.status),
      postponed.map(({ failure }) => storableText(failure.answer)),
      postponed.map(({ failure }) => failure.destination),
      wanted.map(({ laneId }) => laneId),
      wanted.map(({ limit }) => limit),
      ...attemptValues(attempts),
    ],
  });
  requireRow(result.rows, fence);
  return result.rows.filter((row) => row.seq !== null).map(toParkedRow);
}

/** All parts see the rows as they were before: what is removed is left out by name. */
const retriedSql = `with ${fenceSql},
removed as (
  delete from quartet.delivery_parked parked using fence where parked.subscription = $1 and parked.seq = any($3::bigint[])
), postponed as (
  update quartet.delivery_parked parked
  set attempts = row.attempts, due_at = now() + make_interval(secs => row.due / 1000), head = true,
    last_status = row.status, last_answer = row.answer, last_destination = row.destination
  from fence, unnest($4::bigint[], $5::int[], $6::float8[], $7::int[], $8::text[], $9::text[])
    as row (seq, attempts, due, status, answer, destination)
  where parked.subscription = $1 and parked.seq = row.seq
), next as (
  select first.*
  from unnest($10::text[], $11::int[]) as wanted (lane, most) cross join lateral (
    select seq, lane, key, attempts, due_at, letter, row_number() over (order by seq) as place
    from quartet.delivery_parked
    where subscription = $1 and lane = wanted.lane and seq <> all($3::bigint[])
    order by seq limit wanted.most
  ) first
), headed as (
  update quartet.delivery_parked parked set head = true from fence, next
  where parked.subscription = $1 and parked.seq = next.seq and next.place = 1 and not parked.head
), attempted as (${insertAttemptsSql(12)})
select 1 as held, next.seq, next.lane, next.key, next.attempts, next.letter::text as letter,
  extract(epoch from next.due_at - now())::float8 * 1000 as due_in
from fence left join next on true order by next.seq`;

interface StoredParkedRow {
  readonly seq: bigint;
  readonly lane: string;
  readonly key: string;
  readonly attempts: number;
  readonly due_in: number;
  readonly letter: string | null;
}

function toParkedRow(row: StoredParkedRow): ParkedRow {
  const { seq, lane, key, attempts, due_in, letter } = row;
  return { seq, laneId: lane, key, attempts, dueInMs: Math.max(0, due_in), letter: letter ?? undefined };
}

/** Parked events by sequence, in order. */
export async function readParked(
  client: SqlClient,
  subscription: string,
  seqs: readonly bigint[],
): Promise<readonly ParkedRow[]> {
  const result = await client.query<StoredParkedRow & { readonly [column: string]: unknown }>({
    name: "read parked",
    text: `select seq, lane, key, attempts, letter::text as letter, 0 as due_in from quartet.delivery_parked
where subscription = $1 and seq = any($2::bigint[]) order by seq`,
    values: [subscription, seqs],
  });
  return result.rows.map(toParkedRow);
}

/** The first event of each parked lane, by its time: the earliest `limit`. */
export async function readHeads(
  client: SqlClient,
  subscription: string,
  limit: number,
): Promise<readonly Pick<ParkedRow, "seq" | "laneId" | "dueInMs">[]> {
  const result = await client.query<StoredParkedRow & { readonly [column: string]: unknown }>({
    name: "read parked heads",
    text: `select seq, lane, extract(epoch from due_at - now())::float8 * 1000 as due_in
from quartet.delivery_parked where subscription = $1 and head order by due_at, seq limit $2`,
    values: [subscription, limit],
  });
  return result.rows.map(({ seq, lane, due_in }) => ({ seq, laneId: lane, dueInMs: Math.max(0, due_in) }));
}

/**
 * Gives what is parked the lanes of the subscription's order, which may be another than it was, and marks the first of each
 * lane: an earlier holder may have died before it did.
 */
export async function arrangeParked(
  client: SqlClient,
  subscription: string,
  order: LaneOrder,
): Promise<void> {
  const lane = laneSql(order);
  await client.query({
    text: `update quartet.delivery_parked set lane = ${lane} where subscription = $1 and lane <> ${lane}`,
    values: [subscription],
  });
  await client.query({
    name: "mark parked heads",
    text: `update quartet.delivery_parked parked set head = true
from (select distinct on (lane) lane, seq from quartet.delivery_parked where subscription = $1 order by lane, seq) first
where parked.subscription = $1 and parked.seq = first.seq and not parked.head`,
    values: [subscription],
  });
}

/** Marks the first of these lanes, after somebody put events into them. */
export async function markHeads(
  client: SqlClient,
  subscription: string,
  laneIds: readonly string[],
): Promise<void> {
  await client.query({
    name: "mark heads of lanes",
    text: `update quartet.delivery_parked parked set head = true
from unnest($2::text[]) as wanted (lane) cross join lateral (
  select seq from quartet.delivery_parked where subscription = $1 and lane = wanted.lane order by seq limit 1
) first
where parked.subscription = $1 and parked.seq = first.seq and not parked.head`,
    values: [subscription, laneIds],
  });
}
