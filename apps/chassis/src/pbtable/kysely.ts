import { Kysely, PostgresDialect } from "kysely";
import type { Pool, PoolClient } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { statementLimitOf } from "../sql/open-pool.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { StatementNames } from "../sql/statement-names.ts";
import { queryUntil } from "../sql/timed-reads.ts";
import { sqlStateOf } from "../sql/translate-error.ts";
import type { TableTypes } from "./table-types.ts";

/** The part of Kysely that cannot write, by type. What a login may write is the database's to say. */
export type ReadonlyKysely = Pick<Kysely<TableTypes>, "selectFrom" | "with" | "withRecursive" | "fn">;

/** Of the queries of a domain's code. */
const names = new StatementNames(500);

/**
 * Longer texts are those of many rows or long lists of values, another one for each length: kept on every connection
 * they would fill the server's memory, and leave no names for the others.
 */
const maxNamedChars = 4_000;

/**
 * Named, a query is parsed once per connection, and its virtual columns are not looked up anew each time: a quarter
 * more queries a second. Not so `select *`: once the table has a column more, Postgres refuses to run what it prepared.
 */
function nameQuery(text: string): { readonly text: string; readonly name?: string } {
  const named = text.length <= maxNamedChars && !text.replaceAll("(*)", "").includes("*");
  return named ? names.name(text) : { text };
}

/**
 * Kysely over a pool, for reads outside transactions. A connection that comes back inside one is thrown away.
 *
 * @param deadlineMs epoch: it and the signal are as `readsUntil` has them
 */
export function createReader(
  pool: Pool,
  deadlineMs = Number.POSITIVE_INFINITY,
  signal?: AbortSignal,
): ReadonlyKysely {
  const connect = async () => {
    const client = await pool.connect();
    let broken = false;
    const query = async (text: string, values: unknown[]) => {
      try {
        // While it waited for the connection, whoever asked may have gone.
        if (signal?.aborted) throw new QuartetError("canceled", "Nobody waits for this read any more.");
        return await queryUntil(client, { ...nameQuery(text), values }, deadlineMs, statementLimitOf(pool));
      } catch (error) {
        broken ||= sqlStateOf(error) === undefined && !(error instanceof QuartetError);
        throw error;
      }
    };
    const release = () =>
      client.release(
        broken || !isIdle(client) ? new Error("broken, or left inside a transaction") : undefined,
      );
    return { query, release } as unknown as PoolClient; // Kysely uses query and release alone.
  };
  return new Kysely<TableTypes>({
    dialect: new PostgresDialect({ pool: { options: {}, connect, end: async () => undefined } }),
  });
}

/** Asks the connection, which keeps what the server said last ("I": idle). pg 8.23 has it, its types do not. */
function isIdle(client: PoolClient): boolean {
  const status = (client as PoolClient & { getTransactionStatus(): string | null }).getTransactionStatus();
  return status === null || status === "I";
}

/** Kysely over the connection of a running transaction. Needs no disposal: the connection's owner ends it. */
export function createTransactionKysely(client: SqlClient): Kysely<TableTypes> {
  const connection = {
    query: (text: string, values: unknown[]) => client.query({ ...nameQuery(text), values }),
    release: () => undefined,
  } as unknown as PoolClient; // Kysely uses query and release alone; release must not give the connection back here.
  return new Kysely<TableTypes>({
    dialect: new PostgresDialect({
      pool: { options: {}, connect: async () => connection, end: async () => undefined },
    }),
  });
}
