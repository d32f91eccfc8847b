import type { Command } from "commander";
import type { Pool } from "pg";
import { readDevState } from "../../cluster/dev-state.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { rootReason } from "../../error/root-reason.ts";
import { sqlStateOf, translateDatabaseError } from "../../sql/translate-error.ts";
import { parseEnvironment } from "../environment.ts";
import { projectOf } from "../project-option.ts";
import { openFlagsPool } from "./open-flags-pool.ts";

/**
 * Works on the main database that DATABASE_URL names, or else the local cluster's, with the login that may write it.
 *
 * @throws QuartetError `invalid_argument` when there is neither, `failed_precondition` with a fix when the login may not.
 */
export async function withMain(program: Command, work: (pool: Pool) => Promise<void>): Promise<void> {
  const pool = openFlagsPool(await findMainUrl(program));
  try {
    await work(pool);
  } catch (error) {
    throw explain(error);
  } finally {
    await pool.end();
  }
}

async function findMainUrl(program: Command): Promise<string> {
  const { databaseUrl } = parseEnvironment(process.env);
  if (databaseUrl !== undefined) return databaseUrl;
  const { writer } = await readDevState(projectOf(program).stateDir);
  const local = writer?.["DATABASE_URL"];
  if (local !== undefined) return local;
  throw new QuartetError(
    "invalid_argument",
    "DATABASE_URL is missing, and no local cluster was started here.",
    {
      fix: "Set DATABASE_URL to that of a crud login or of the database's owner; or start the local cluster: quartet dev",
    },
  );
}

/** What a login that may not, a replica, and a database without the table say. */
function explain(error: unknown): unknown {
  const fixes: Readonly<Record<string, string>> = {
    "42501": "Use DATABASE_URL of a crud login or of the database's owner.",
    "25006": "Use DATABASE_URL of the primary: a replica cannot be written.",
    "42P01": "Bring the database to the shape of this build: quartet apply",
  };
  const fix = fixes[sqlStateOf(error) ?? ""];
  if (fix === undefined) return translateDatabaseError(error);
  return new QuartetError("failed_precondition", `The database refuses: ${rootReason(error)}.`, {
    cause: error,
    fix,
  });
}
