import { QuartetError } from "../../error/quartet-error.ts";
import { describeFault } from "../../relay/doctor/describe-fault.ts";
import { translateDatabaseError } from "../../sql/translate-error.ts";

/** An error of a command that operates a deployment: what is wrong with a database or the login is told with what mends it. */
export function explainFault(error: unknown): unknown {
  const fault = describeFault(error);
  if (fault === undefined) return translateDatabaseError(error);
  const { what, fix, passes } = fault;
  const message = `${what.charAt(0).toUpperCase()}${what.slice(1)}.`;
  return new QuartetError(passes ? "unavailable" : "failed_precondition", message, { cause: error, fix });
}
