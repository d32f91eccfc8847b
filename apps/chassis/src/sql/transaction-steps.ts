import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, PoolClient, QueryResult } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { sqlStateOf, translateDatabaseError } from "./translate-error.ts";

/** serialization_failure, deadlock_detected: the same transaction may succeed when it is run again. */
const retriedSqlStates: ReadonlySet<string> = new Set(["40001", "40P01"]);
const maxAttempts = 4;
/** Before the second attempt, on average half of this; then twice as much each time. */
const retryDelayMs = 10;

/**
 * Runs a transaction, and again where it lost against another one.
 *
 * @throws QuartetError as {@link translateDatabaseError} makes it of an error of the database.
 */
export async function withRetries<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === maxAttempts || !retriedSqlStates.has(sqlStateOf(error) ?? "")) {
        throw translateDatabaseError(error);
      }
    }
    // No connection is held meanwhile. Losers of one conflict must not meet again at once.
    await sleep(Math.random() * retryDelayMs * 2 ** (attempt - 1));
  }
}

/** Of a prepared statement that a pooler or DISCARD took away, or whose result has another shape: a new connection has none. */
const lostStatements: ReadonlySet<string> = new Set(["26000", "0A000"]);

/** What is to be ended. */
export interface RunningTransaction {
  rollback(): Promise<unknown>;
  /** Something went wrong on the connection although all was committed: nobody else gets it. */
  readonly isSuspect?: boolean;
}

/** Undoes the transaction when it fails, and gives the connection back. */
export async function endTransaction<T>(
  client: PoolClient,
  transaction: RunningTransaction,
  run: () => Promise<T>,
): Promise<T> {
  let broken: Error | undefined;
  try {
    return await run();
  } catch (error) {
    if (lostStatements.has(sqlStateOf(error) ?? ""))
      broken = new Error("its statements are not there", { cause: error });
    await transaction.rollback().catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken ?? transaction.isSuspect);
  }
}

/** COMMIT of a transaction in which a statement failed is a ROLLBACK, and no error to pg. */
export function requireCommitted(result: QueryResult | undefined): void {
  if (result?.command === "COMMIT") return;
  throw new QuartetError(
    "internal",
    "The transaction was rolled back: an error of the database was caught in it.",
    {
      fix: "Let errors of the database pass: after one, the transaction can do nothing more.",
    },
  );
}

/** Of a statement that would be a transaction of its own, or of whoever has the connection then. */
export function lateStatement(fix: string): QuartetError {
  return new QuartetError("internal", "A statement came when its transaction had ended.", { fix });
}

/** @throws QuartetError `unavailable` */
export async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (cause) {
    throw new QuartetError("unavailable", "The database cannot be reached.", { cause, retryAfterSeconds: 1 });
  }
}
