import { DatabaseError } from "pg";
import { QuartetError } from "../error/quartet-error.ts";

/** The SQLSTATE of an error of Postgres, itself or as a cause. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof DatabaseError) return error.code;
  return error instanceof Error && error.cause !== undefined ? sqlStateOf(error.cause) : undefined;
}

/** Classes and states of SQLSTATE (PostgreSQL 18, appendix A) that say "not now", not "never". */
const unavailableStates = /^(08|53|57P|58|55P03|25006)/;

/**
 * An error of pg as the public error it means. Errors that are not the database's pass through.
 * The statement and its values stay in `cause`.
 */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof QuartetError) return error;
  const state = sqlStateOf(error);
  if (state === "40001" || state === "40P01") {
    return new QuartetError("aborted", "A concurrent change won; try again.", { cause: error });
  }
  if (state === "57014") {
    return new QuartetError("deadline_exceeded", "The database took too long.", { cause: error });
  }
  if (state === "42501") {
    return new QuartetError("permission_denied", "The database refused: this class may not do that.", {
      cause: error,
    });
  }
  if (state !== undefined && unavailableStates.test(state)) {
    return new QuartetError("unavailable", "The database is not available.", {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
  if (state === undefined && isConnectionFault(error)) {
    return new QuartetError("unavailable", "The database cannot be reached.", {
      cause: error,
      retryAfterSeconds: 1,
    });
  }
  return error;
}

const connectionFaults =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|Connection terminated|timeout exceeded when trying/;

/** pg reports a lost connection as a plain Error; its words are all there is to tell it by. */
function isConnectionFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return connectionFaults.test(code) || connectionFaults.test(error.message);
}
