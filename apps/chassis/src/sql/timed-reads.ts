import type { Pool, PoolClient, QueryResult, QueryResultRow } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { requireTime } from "../error/require-time.ts";
import { statementLimitOf } from "./open-pool.ts";
import type { SqlClient, Statement } from "./sql-client.ts";
import { sqlStateOf } from "./translate-error.ts";

/**
 * A pool as a request with a deadline may read on it: nothing is sent once that has passed, or the signal has aborted,
 * also when that happens in the pool's queue, and no statement runs longer than what is left.
 *
 * The connection's own limit does that for nothing, as long as more is left than it allows. Only in a request's last
 * moments a statement is put into a transaction with a limit of its own: two round trips more.
 */
export function readsUntil(pool: Pool, deadlineMs: number, signal: AbortSignal): SqlClient {
  return {
    query: async <Row extends QueryResultRow>(statement: Statement) => {
      requireTime(deadlineMs);
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        // While it waited for the connection, whoever asked may have gone.
        if (signal.aborted) throw new QuartetError("canceled", "Nobody waits for this read any more.");
        return await queryUntil<Row>(client, statement, deadlineMs, statementLimitOf(pool));
      } catch (error) {
        if (error instanceof Error && isLost(error, client)) broken = error;
        throw error;
      } finally {
        client.release(broken);
      }
    },
  };
}

/** @param limitMs of the connection's statements */
export async function queryUntil<Row extends QueryResultRow>(
  client: PoolClient,
  statement: Statement,
  deadlineMs: number,
  limitMs: number,
): Promise<QueryResult<Row>> {
  const leftMs = requireTime(deadlineMs);
  if (leftMs >= limitMs) return client.query<Row>(statement);
  await client.query(`begin; ${limitSql(leftMs)}`);
  try {
    return await client.query<Row>(statement);
  } finally {
    // What it read is read: nothing is lost with it, and it ends a failed transaction too.
    await client.query("rollback");
  }
}

/** Bounds the statements of a transaction that has begun. */
export function limitSql(leftMs: number): string {
  return `set local statement_timeout = ${Math.max(1, Math.ceil(leftMs))}`;
}

/** The server has said nothing of it, or the statement left a transaction behind. */
function isLost(error: Error, client: PoolClient): boolean {
  // pg 8.23 has it, its types do not.
  const status = (client as PoolClient & { getTransactionStatus(): string | null }).getTransactionStatus();
  return (
    (sqlStateOf(error) === undefined && !(error instanceof QuartetError)) ||
    (status !== null && status !== "I")
  );
}
