import type { Pool } from "pg";
import { openPool } from "../../sql/open-pool.ts";

/** A connection for whoever looks at the flags of a main database, or changes them. */
export function openFlagsPool(url: string): Pool {
  return openPool({
    url,
    applicationName: "quartet flags",
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    onIdleError: () => undefined,
  });
}
