import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { QuartetError } from "../../error/quartet-error.ts";

const firstPollMs = 5;
const longestPollMs = 200;

/**
 * Waits until every transaction that has written to the outbox by now is over, so that whatever of it had committed in the
 * WAL before this call is visible to snapshots that are taken after it. Between the two a commit waits for the disk and
 * for synchronous standbys, and a slot that was made meanwhile does not stream it.
 *
 * Writers are known by their lock on the table, which a transaction gives back after it has become visible.
 *
 * @throws QuartetError `unavailable` when one is still open after `timeoutMs`.
 */
export async function awaitWriters(client: pg.Client, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let open = await readWriters(client);
  for (let pollMs = firstPollMs; open.size > 0; pollMs = Math.min(longestPollMs, pollMs * 2)) {
    if (performance.now() > deadline) throw stillOpen([...open.values()]);
    await delay(pollMs);
    const now = await readWriters(client);
    open = new Map([...open].filter(([transaction]) => now.has(transaction)));
  }
}

/** Virtual transaction id, or that of a prepared transaction → process id, null for a prepared one. */
async function readWriters(client: pg.Client): Promise<Map<string, number | null>> {
  const result = await client.query<{ transaction: string; pid: number | null }>(writersSql);
  return new Map(result.rows.map(({ transaction, pid }) => [transaction, pid]));
}

const writersSql = `select distinct virtualtransaction as transaction, pid from pg_catalog.pg_locks
where locktype = 'relation' and granted and mode = 'RowExclusiveLock' and pid is distinct from pg_backend_pid()
  and database = (select oid from pg_catalog.pg_database where datname = current_database())
  and relation in (select relid from pg_catalog.pg_partition_tree('quartet.outbox'))`;

function stillOpen(pids: readonly (number | null)[]): QuartetError {
  const processes = pids.map((pid) => pid ?? "a prepared transaction").join(", ");
  return new QuartetError(
    "unavailable",
    `The outbox cannot be read as one: transactions that wrote to it are open (process ${processes}).`,
    { fix: "End them: select pg_terminate_backend(pid); rollback prepared for prepared ones." },
  );
}
