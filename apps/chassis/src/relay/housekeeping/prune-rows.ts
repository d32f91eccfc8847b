import type { SqlClient } from "../../sql/sql-client.ts";

/** A statement of so many rows takes some ten milliseconds. */
const batchRows = 5_000;

/** Deletes effects of long ago from an inbox, a batch at a time, until there are no more or the signal aborts. */
export function pruneInbox(client: SqlClient, keepSeconds: number, signal: AbortSignal): Promise<number> {
  return callInBatches(
    client,
    "select quartet.prune_inbox(make_interval(secs => $1), $2) as pruned",
    keepSeconds,
    signal,
  );
}

/** Deletes operations that ended long ago, as {@link pruneInbox} does effects. */
export function pruneOperations(
  client: SqlClient,
  keepSeconds: number,
  signal: AbortSignal,
): Promise<number> {
  return callInBatches(
    client,
    "select quartet.prune_operations(make_interval(secs => $1), $2) as pruned",
    keepSeconds,
    signal,
  );
}

/** Deletes runs of sagas that ended long ago, as {@link pruneInbox} does effects. */
export function pruneSagas(client: SqlClient, keepSeconds: number, signal: AbortSignal): Promise<number> {
  return callInBatches(
    client,
    "select quartet.prune_sagas(make_interval(secs => $1), $2) as pruned",
    keepSeconds,
    signal,
  );
}

/** Deletes attempts of long ago, as {@link pruneInbox} does effects. */
export async function pruneAttempts(
  client: SqlClient,
  keepSeconds: number,
  signal: AbortSignal,
): Promise<number> {
  return inBatches(signal, async () => {
    const result = await client.query({
      text: `delete from quartet.delivery_attempt where ctid = any(array(
  select ctid from quartet.delivery_attempt where attempted_at < now() - make_interval(secs => $1) limit $2))`,
      values: [keepSeconds, batchRows],
    });
    return result.rowCount ?? 0;
  });
}

function callInBatches(
  client: SqlClient,
  text: string,
  keepSeconds: number,
  signal: AbortSignal,
): Promise<number> {
  return inBatches(signal, async () => {
    const result = await client.query<{ pruned: number }>({ text, values: [keepSeconds, batchRows] });
    return result.rows[0]?.pruned ?? 0;
  });
}

async function inBatches(signal: AbortSignal, deleteBatch: () => Promise<number>): Promise<number> {
  let total = 0;
  while (!signal.aborted) {
    const deleted = await deleteBatch();
    total += deleted;
    if (deleted < batchRows) break;
  }
  return total;
}
