import { setTimeout as sleep } from "node:timers/promises";
import { escapeLiteral, type Pool, type PoolClient, type QueryResult } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { requireTime } from "../error/require-time.ts";
import { statementLimitOf } from "./open-pool.ts";
import { limitSql } from "./timed-reads.ts";
import { sqlStateOf, translateDatabaseError } from "./translate-error.ts";

/** serialization_failure, deadlock_detected: the same transaction may succeed when it is run again. */
const retriedSqlStates: ReadonlySet<string> = new Set(["40001", "40P01"]);
const maxAttempts = 4;
/** Before the second attempt, on average half of this; then twice as much each time. */
const retryDelayMs = 10;

/** Who asks for a transaction's changes. */
export interface Attribution {
  readonly principal: string;
  readonly operationId: string;
}

/**
 * Runs `work` in one READ COMMITTED transaction and commits it. `work` may run more than once (serialization failure,
 * deadlock), so its effects must be in the transaction alone.
 *
 * With an attribution, the settings `quartet.principal` and `quartet.operation_id` tell triggers about it until the
 * transaction ends; they are empty or unset in others.
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
  attribution?: Attribution,
  deadlineMs?: number,
): Promise<T> {
  const begin = beginSql(attribution);
  const limit = () => limitOf(pool, deadlineMs);
  return runBegunTransaction(pool, (client) => client.query(begin + limit()), work);
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
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(pool, begin, work);
    } catch (error) {
      if (attempt === maxAttempts || !retriedSqlStates.has(sqlStateOf(error) ?? "")) {
        throw translateDatabaseError(error);
      }
    }
    // No connection is held meanwhile. Losers of one conflict must not meet again at once.
    await sleep(Math.random() * retryDelayMs * 2 ** (attempt - 1));
  }
}

/** One text, so that attribution costs no round trip. SET takes no bound values. */
function beginSql(attribution: Attribution | undefined): string {
  if (attribution === undefined) return "begin";
  const { principal, operationId } = attribution;
  return (
    `begin; set local quartet.principal = ${settingSql(principal)}; ` +
    `set local quartet.operation_id = ${settingSql(operationId)}`
  );
}

/** U+0000 would end the text of the query. */
function settingSql(value: string): string {
  return escapeLiteral(value.replaceAll("\0", ""));
}

async function runOnce<B, T>(
  pool: Pool,
  begin: (client: PoolClient) => Promise<B>,
  work: (client: PoolClient, begun: B) => Promise<T>,
): Promise<T> {
  const client = await connect(pool);
  let broken: Error | undefined;
  try {
    const result = await work(client, await begin(client));
    requireCommitted(await client.query("commit"));
    return result;
  } catch (error) {
    await client.query("rollback").catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** COMMIT of a transaction in which a statement failed is a ROLLBACK, and no error to pg. */
function requireCommitted(result: QueryResult): void {
  if (result.command === "COMMIT") return;
  throw new QuartetError(
    "internal",
    "The transaction was rolled back: an error of the database was caught in it.",
    {
      fix: "Let errors of the database pass: after one, the transaction can do nothing more.",
    },
  );
}

async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (cause) {
    throw new QuartetError("unavailable", "The database cannot be reached.", { cause, retryAfterSeconds: 1 });
  }
}
