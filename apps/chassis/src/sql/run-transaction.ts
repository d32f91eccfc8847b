import type { Pool, PoolClient } from "pg";
import { requireTime } from "../error/require-time.ts";
import { statementLimitOf } from "./open-pool.ts";
import { limitSql } from "./timed-reads.ts";
import { connect, endTransaction, requireCommitted, withRetries } from "./transaction-steps.ts";

/**
 * Runs `work` in one READ COMMITTED transaction and commits it. `work` may run more than once (serialization failure,
 * deadlock), so its effects must be in the transaction alone.
 *
 * With a deadline (epoch ms), it is not begun once that has passed, also when it passes while all connections are taken,
 * and no statement of it runs longer than what is left as it begins.
 *
 * When COMMIT itself fails by a lost connection, the outcome is unknown and the error is `unavailable`.
 *
 * @throws QuartetError as {@link translateDatabaseError} makes it of an error of the database; what else `work` throws.
 */
export async function runTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  deadlineMs?: number,
): Promise<T> {
  return runBegunTransaction(pool, (client) => client.query(`begin${limitOf(pool, deadlineMs)}`), work);
}

/** In the text that begins it: a limit costs no round trip. Not said where the connection's own is as short. */
function limitOf(pool: Pool, deadlineMs: number | undefined): string {
  if (deadlineMs === undefined) return "";
  const leftMs = requireTime(deadlineMs);
  return leftMs < statementLimitOf(pool) ? `; ${limitSql(leftMs)}` : "";
}

/**
 * As {@link runTransaction}, for who has more to say in the round trip that begins it.
 *
 * @param begin begins the transaction
 * @param work is given what `begin` resolved to
 */
export async function runBegunTransaction<B, T>(
  pool: Pool,
  begin: (client: PoolClient) => Promise<B>,
  work: (client: PoolClient, begun: B) => Promise<T>,
): Promise<T> {
  return withRetries(() => runOnce(pool, begin, work));
}

async function runOnce<B, T>(
  pool: Pool,
  begin: (client: PoolClient) => Promise<B>,
  work: (client: PoolClient, begun: B) => Promise<T>,
): Promise<T> {
  const client = await connect(pool);
  return endTransaction(client, { rollback: () => client.query("rollback") }, async () => {
    const result = await work(client, await begin(client));
    requireCommitted(await client.query("commit"));
    return result;
  });
}
