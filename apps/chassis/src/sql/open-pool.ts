import { Pool, types } from "pg";

export interface PoolSettings {
  readonly url: string;
  /** Shown in pg_stat_activity, such as "quartet nano". */
  readonly applicationName: string;
  readonly maxConnections: number;
  /** Longest time a statement may run. */
  readonly statementTimeoutMs: number;
  /** The login brings that limit itself, so it is not sent: a pooler between that knows no such parameter is content. */
  readonly limitedByLogin?: boolean;
  /** Transactions may only read unless they say otherwise: what should not write finds out in every class alike. */
  readonly readOnly?: boolean;
  /** Longest wait for a connection, new or from the pool. */
  readonly connectTimeoutMs?: number;
  /** Called for a connection that broke while idle; the pool has replaced it already. */
  readonly onIdleError: (error: Error) => void;
}

/** How columns are read where pg's own way loses something: `int8` as bigint, `interval` as Postgres prints it. */
const parsers: Readonly<Record<number, (text: string) => unknown>> = { 20: BigInt, 1186: String };
const silenceMs = 3_000;
/** Between two statements of a transaction this process may be long at other work; shorter, and load becomes errors. */
const leastIdleInTransactionMs = 2_000;

const statementLimits = new WeakMap<Pool, number>();

/** Longest time that a statement on this pool may run, in ms. */
export function statementLimitOf(pool: Pool): number {
  return statementLimits.get(pool) ?? Number.POSITIVE_INFINITY;
}

/**
 * Opens a pool whose connections read `int8` as bigint and `interval` as text. Dispose it with `end()`.
 * A broken idle connection is reported, never thrown: a restart of Postgres does not end the process.
 */
export function openPool(settings: PoolSettings): Pool {
  const pool = new Pool({
    connectionString: settings.url,
    application_name: settings.applicationName,
    max: settings.maxConnections,
    ...(settings.limitedByLogin ? {} : { statement_timeout: settings.statementTimeoutMs }),
    // A server that vanished without a word cannot keep its own limit.
    query_timeout: settings.statementTimeoutMs + silenceMs,
    idle_in_transaction_session_timeout: Math.max(leastIdleInTransactionMs, settings.statementTimeoutMs * 4),
    connectionTimeoutMillis: settings.connectTimeoutMs ?? 5_000,
    keepAlive: true,
    ...(settings.readOnly ? { options: "-c default_transaction_read_only=on" } : {}),
    types: {
      getTypeParser: (oid: number, format?: "text" | "binary") =>
        parsers[oid] ?? types.getTypeParser(oid, format as "text"),
    } as typeof types,
  });
  statementLimits.set(pool, settings.statementTimeoutMs);
  pool.on("error", settings.onIdleError);
  // A checked-out connection reports its own failure through its query; without a listener Node would exit.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}
