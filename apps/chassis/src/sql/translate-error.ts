import { DatabaseError } from "pg";
import { QuartetError } from "../error/quartet-error.ts";

/** The SQLSTATE of an error of Postgres, itself or as a cause. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof DatabaseError) return error.code;
  return error instanceof Error && error.cause !== undefined ? sqlStateOf(error.cause) : undefined;
}

/** True when the login lacks a grant. That is a fault of the deployment, which somebody mends, and no answer to a request. */
export function isMissingGrant(error: unknown): boolean {
  return sqlStateOf(error) === "42501";
}

/**
 * SQLSTATEs of a value that Postgres cannot hold: too long, out of range, no time, not of its type, refused by a view, or
 * with U+0000 in it.
 */
const refusedValueStates: ReadonlySet<string> = new Set([
  "22001",
  "22003",
  "22007",
  "22008",
  "22021",
  "22023",
  "22P02",
  "22P05",
  "54000",
]);

/**
 * Classes and states of SQLSTATE (PostgreSQL 18, appendix A) that say "not now", not "never": faults of the server, and
 * logins (28), databases (3D000) and tables (42P01) that a deployment, or a replica behind it, does not have yet.
 */
const unavailableStates = /^(08|53|57P|58|28|55P03|25006|3D000|42P01)/;

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
  // query_canceled, idle_in_transaction_session_timeout, transaction_timeout
  if (state === "57014" || state === "25P03" || state === "25P04") {
    return new QuartetError("deadline_exceeded", "The database took too long.", { cause: error });
  }
  if (state !== undefined && refusedValueStates.has(state)) {
    return new QuartetError("invalid_argument", "The database cannot store a value of the request.", {
      cause: error,
      fix: "Send text without U+0000, keys of at most 2 kB, and numbers within their range.",
    });
  }
  if (state === "23505") {
    return new QuartetError("already_exists", "A row with the same key or unique value exists already.", {
      cause: error,
    });
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
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|Connection terminated|not queryable|timeout exceeded when trying|timeout expired|Query read timeout/;

/** pg reports a lost connection as a plain Error; its words are all there is to tell it by. */
function isConnectionFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? String(error.code) : "";
  return connectionFaults.test(code) || connectionFaults.test(error.message);
}
