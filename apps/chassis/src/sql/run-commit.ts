import type { Pool, QueryResult } from "pg";
import { requireTime } from "../error/require-time.ts";
import { statementLimitOf } from "./open-pool.ts";
import { OpenTransaction, type TransactionClient } from "./open-transaction.ts";
import type { SharedStatement, Statement } from "./sql-client.ts";
import { connect, endTransaction, withRetries } from "./transaction-steps.ts";

/** Who asks for a transaction's changes. */
export interface Attribution {
  readonly principal: string;
  readonly operationId: string;
}

/** What a transaction of {@link runCommit} is for, and what is read once it is committed. */
export interface CommitOptions {
  readonly attribution?: Attribution | undefined;
  /** Epoch ms. */
  readonly deadlineMs?: number | undefined;
  /** In the round trip of COMMIT. */
  readonly after?: Statement | undefined;
}

/**
 * As `runTransaction`, in fewer round trips: see {@link OpenTransaction}.
 *
 * With an attribution, the settings `quartet.principal` and `quartet.operation_id` tell triggers about it until the
 * transaction ends; they are empty or unset in others.
 *
 * @returns what `work` resolved to, and the result of `after`
 */
export async function runCommit<T>(
  pool: Pool,
  work: (client: TransactionClient) => Promise<T>,
  { attribution, deadlineMs, after }: CommitOptions = {},
): Promise<{ readonly value: T; readonly after: QueryResult | undefined }> {
  const begin = () => [beginStatement, ...settingsStatements(pool, attribution, deadlineMs)];
  return withRetries(async () => {
    const client = await connect(pool);
    const transaction = new OpenTransaction(client, begin);
    return endTransaction(client, transaction, async () => {
      if (deadlineMs !== undefined) requireTime(deadlineMs);
      const value = await work(transaction);
      return { value, after: await transaction.commit(after) };
    });
  });
}

const beginStatement = { name: "begin", text: "begin", quiet: true };

/** What a transaction is to know, as far as there is anything. */
function settingsStatements(
  pool: Pool,
  attribution: Attribution | undefined,
  deadlineMs: number | undefined,
): readonly SharedStatement[] {
  const settings: [string, string][] = [];
  if (attribution !== undefined) {
    settings.push(["quartet.principal", storable(attribution.principal)]);
    settings.push(["quartet.operation_id", storable(attribution.operationId)]);
  }
  const leftMs = deadlineMs === undefined ? Number.POSITIVE_INFINITY : requireTime(deadlineMs);
  if (leftMs < statementLimitOf(pool)) settings.push(["statement_timeout", String(Math.ceil(leftMs))]);
  if (settings.length === 0) return [];
  const calls = settings.map((_, index) => `set_config($${2 * index + 1}, $${2 * index + 2}, true)`);
  const text = `select ${calls.join(", ")}`;
  return [{ name: `set ${settings.length} local`, text, values: settings.flat(), quiet: true }];
}

/** U+0000 is in no text of Postgres. */
function storable(value: string): string {
  return value.replaceAll("\0", "");
}
