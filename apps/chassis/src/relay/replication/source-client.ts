import pg from "pg";
import { captureError } from "./capture-fault.ts";
import { dropClient, endClient } from "./end-client.ts";
import { checkSource, type ReplicationSource } from "./replication-source.ts";

/** Creating a slot waits for every older transaction to end; a forgotten one must not hold us for ever. */
export const slotStatementTimeoutMs = 60_000;
const connectTimeoutMs = 10_000;
/** How much longer than the server's own limit we wait for an answer, before the connection counts as dead. */
const answerSlackMs = 5_000;

/** How a connection for statements beside the stream is used. */
export interface SourceClientOptions {
  /** Ends the connection and with it the statement in progress. */
  readonly signal?: AbortSignal;
  /** Longest time a statement may run; 0: any. Default 60 s. */
  readonly statementTimeoutMs?: number;
}

/**
 * Runs work on a connection of its own to a source's database, with times as ISO 8601 in UTC.
 *
 * @throws QuartetError of the work as it is; else `unavailable`, whose cause `captureFault` classifies.
 */
export async function withSourceClient<T>(
  source: ReplicationSource,
  work: (client: pg.Client) => Promise<T>,
  options: SourceClientOptions = {},
): Promise<T> {
  checkSource(source);
  const statementTimeoutMs = options.statementTimeoutMs ?? slotStatementTimeoutMs;
  const client = new pg.Client({
    connectionString: source.url,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    ...(statementTimeoutMs > 0 ? { query_timeout: statementTimeoutMs + answerSlackMs } : {}),
    keepAlive: true,
    fallback_application_name: `quartet-slot-${source.slot}`,
  });
  client.on("error", () => undefined); // the statement in progress reports it; without a listener the process would end
  const drop = () => dropClient(client);
  options.signal?.addEventListener("abort", drop, { once: true });
  try {
    options.signal?.throwIfAborted();
    await client.connect();
    await client.query("set timezone to 'UTC'; set datestyle to 'ISO'");
    return await work(client);
  } catch (error) {
    throw captureError(`Cannot prepare slot ${source.slot}`, error);
  } finally {
    options.signal?.removeEventListener("abort", drop);
    await endClient(client);
  }
}
