import { QuartetError } from "../../error/quartet-error.ts";
import { rootReason } from "../../error/root-reason.ts";
import { sqlStateOf, translateDatabaseError } from "../../sql/translate-error.ts";

/** Why a database of a deployment could not be worked with, for whoever operates it. */
export interface DeploymentFault {
  readonly what: string;
  readonly fix: string;
  /** It may pass by itself. */
  readonly passes: boolean;
}

/** By SQLSTATE (PostgreSQL 18, appendix A). */
const faults: readonly {
  readonly states: RegExp;
  readonly what: string;
  readonly fix: string;
}[] = [
  {
    states: /^(28|3D000)/,
    what: "the database refuses this login",
    fix: "Check user, password and database in DATABASE_URL and EVENTS_DATABASE_URL.",
  },
  {
    states: /^(42P01|42703|42883|3F000)/,
    what: "the database is not as this build needs it",
    fix:
      "quartet apply, as an owner. What is the relay's is in the events database: set EVENTS_DATABASE_URL where " +
      "there is one.",
  },
  {
    states: /^42501/,
    what: "this login may not do that",
    fix: "Set DATABASE_URL and EVENTS_DATABASE_URL to those of the relay's login, a member of quartet_relay.",
  },
  {
    states: /^25006/,
    what: "the database cannot be written",
    fix: "Set EVENTS_DATABASE_URL, or DATABASE_URL where there is none, to that of a primary.",
  },
];

/** Undefined: it is not the databases' nor the login's. */
export function describeFault(error: unknown): DeploymentFault | undefined {
  const state = sqlStateOf(error) ?? "";
  const reason = rootReason(error);
  const known = faults.find(({ states }) => states.test(state));
  if (known !== undefined) return { what: `${known.what}: ${reason}`, fix: known.fix, passes: false };
  const translated = translateDatabaseError(error);
  if (!(translated instanceof QuartetError) || translated.cause === undefined) return undefined;
  if (translated.code !== "unavailable") return undefined;
  const fix = "Check DATABASE_URL and EVENTS_DATABASE_URL, and whether their servers run.";
  return { what: `the database cannot be reached: ${reason}`, fix, passes: true };
}
