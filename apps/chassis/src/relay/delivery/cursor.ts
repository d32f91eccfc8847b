import { QuartetError } from "../../error/quartet-error.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { type AttemptRecord, attemptValues, insertAttemptsSql } from "./attempts.ts";

/** Who may store what a subscription's delivery comes to: the holder of its lease with this epoch. */
export interface CursorFence {
  readonly subscription: string;
  readonly epoch: bigint;
}

export interface CursorState {
  /** Everything at or below is delivered, parked or dead. */
  readonly seq: bigint;
  /** Grows whenever somebody else changed what is parked. */
  readonly revision: bigint;
}

/**
 * A common table expression of one row while the fence holds, and of none after. Its lock keeps the next holder from taking
 * the cursor before the statement's transaction ends. `$1` is the subscription, `$2` the epoch.
 */
export const fenceSql =
  "fence as (select from quartet.delivery_cursor where subscription = $1 and lease_epoch = $2 for share)";

export function leaseLost({ subscription, epoch }: CursorFence): QuartetError {
  return new QuartetError(
    "lease_lost",
    `Another relay delivers ${subscription}, or it is deleted (${epoch}).`,
  );
}

/**
 * Takes the cursor for the holder of the lease: from now on whatever a smaller epoch does is refused.
 *
 * @throws QuartetError `lease_lost` when a greater epoch has taken it, or the subscription is deleted.
 */
export async function takeCursor(client: SqlClient, fence: CursorFence): Promise<CursorState> {
  const result = await client.query<CursorState & { readonly [column: string]: unknown }>({
    name: "take cursor",
    text: `update quartet.delivery_cursor set lease_epoch = $2 where subscription = $1 and lease_epoch <= $2
returning seq, revision`,
    values: [fence.subscription, fence.epoch],
  });
  const [row] = result.rows;
  if (row === undefined) throw leaseLost(fence);
  return { seq: row.seq, revision: row.revision };
}

/**
 * Moves the cursor, never back, and records attempts with it.
 *
 * @returns the cursor's revision
 * @throws QuartetError `lease_lost`.
 */
export async function moveCursor(
  client: SqlClient,
  fence: CursorFence,
  seq: bigint,
  attempts: readonly AttemptRecord[],
): Promise<bigint> {
  const result = await client.query<{ revision: bigint }>({
    name: "move cursor",
    text: `with fence as (
  update quartet.delivery_cursor set seq = greatest(seq, $3), moved_at = now()
  where subscription = $1 and lease_epoch = $2 returning revision
), attempted as (${insertAttemptsSql(4)})
select revision from fence`,
    values: [fence.subscription, fence.epoch, seq, ...attemptValues(attempts)],
  });
  return requireRow(result.rows, fence).revision;
}

/**
 * The cursor's revision.
 *
 * @throws QuartetError `lease_lost`.
 */
export async function readRevision(client: SqlClient, fence: CursorFence): Promise<bigint> {
  const result = await client.query<{ revision: bigint }>({
    name: "read cursor revision",
    text: "select revision from quartet.delivery_cursor where subscription = $1 and lease_epoch = $2",
    values: [fence.subscription, fence.epoch],
  });
  return requireRow(result.rows, fence).revision;
}

/**
 * Holds the fence until the transaction ends; against others that hold it, too, with `update`.
 *
 * @throws QuartetError `lease_lost`.
 */
export async function holdFence(
  client: SqlClient,
  fence: CursorFence,
  mode: "share" | "update",
): Promise<void> {
  const result = await client.query({
    text: `select from quartet.delivery_cursor where subscription = $1 and lease_epoch = $2 for ${mode}`,
    values: [fence.subscription, fence.epoch],
  });
  if (result.rowCount !== 1) throw leaseLost(fence);
}

/** The first row of a fenced statement, which has one while the fence holds. */
export function requireRow<Row>(rows: readonly Row[], fence: CursorFence): Row {
  const [row] = rows;
  if (row === undefined) throw leaseLost(fence);
  return row;
}
