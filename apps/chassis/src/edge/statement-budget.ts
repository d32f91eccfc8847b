import type { Pool } from "pg";
import type { FoundClass } from "../class/find-class.ts";
import type { ServiceClass } from "../class/service-class.ts";

/** How long a statement may run, lock waits included, and who says so. */
export interface StatementBudget {
  readonly ms: number;
  readonly from: "QUARTET_STATEMENT_TIMEOUT" | "login" | "class" | "development";
}

/** DESIGN.md, section 3. A lambda has no statements. */
export const classBudgetMs: Readonly<Record<ServiceClass, number>> = {
  crud: 100,
  micro: 1_000,
  nano: 100,
  lambda: 0,
};

/** Of a login that may more than its class: it was let in for development, where a laptop does all at once. */
const developmentBudgetMs = 5_000;

/**
 * The statement timeout that the login itself brings, in ms: by `alter role … set statement_timeout`, or in its URL.
 * The server's own configuration is none: what is meant for reports is no budget of a class.
 *
 * @param pool whose connections set none themselves
 */
export async function readLoginBudget(pool: Pool): Promise<number | undefined> {
  const result = await pool.query<{ ms: number }>(`select setting::int as ms from pg_settings
where name = 'statement_timeout' and source in ('client', 'user', 'database user') and setting <> '0'`);
  return result.rows[0]?.ms;
}

/**
 * What counts: QUARTET_STATEMENT_TIMEOUT, for a process that needs another one for a while; else what the login brings,
 * which is the owner's word and holds in psql too; else the class'.
 */
export function chooseBudget(
  overrideMs: number | undefined,
  loginMs: number | undefined,
  found: FoundClass,
): StatementBudget {
  if (overrideMs !== undefined) return { ms: overrideMs, from: "QUARTET_STATEMENT_TIMEOUT" };
  if (loginMs !== undefined) return { ms: loginMs, from: "login" };
  if (found.surplus.length > 0) return { ms: developmentBudgetMs, from: "development" };
  return { ms: classBudgetMs[found.serviceClass], from: "class" };
}
