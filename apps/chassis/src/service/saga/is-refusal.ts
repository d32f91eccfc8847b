import type { ErrorCode } from "../../error/error-codes.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { isMissingGrant } from "../../sql/translate-error.ts";

/** What a step's code says no with. Any other error is of the way there, of the build or of its code, and is tried again. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  "invalid_argument",
  "permission_denied",
  "not_found",
  "already_exists",
  "version_mismatch",
  "failed_precondition",
]);

/** True for an error that says of a step that it cannot be done. */
export function isRefusal(error: unknown): error is QuartetError {
  return error instanceof QuartetError && refusals.has(error.code) && !isMissingGrant(error);
}
