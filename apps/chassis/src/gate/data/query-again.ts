import { setTimeout as delay } from "node:timers/promises";
import type { Pool, QueryResult, QueryResultRow } from "pg";
import { sqlStateOf } from "../../sql/translate-error.ts";

/** What a replica says of a query that was in the way of what it has to replay. */
const recoveryConflict = "40001";
const maxAttempts = 6;
const firstPauseMs = 50;

/** Runs a query that only reads, and again when a replica cancelled it: it is made for reading on replicas. */
export async function queryAgain<Row extends QueryResultRow>(
  pool: Pool,
  text: string,
  values: readonly unknown[] = [],
): Promise<QueryResult<Row>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.query<Row>(text, [...values]);
    } catch (error) {
      if (attempt === maxAttempts || sqlStateOf(error) !== recoveryConflict) throw error;
    }
    await delay(firstPauseMs * 2 ** (attempt - 1));
  }
}
