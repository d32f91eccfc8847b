import { QuartetError } from "../error/quartet-error.ts";
import {
  type FoundClass,
  findClass,
  type NoClass,
  type ObservedRights,
  type RightsFault,
} from "./find-class.ts";
import { missingRights } from "./missing-rights.ts";
import type { ServiceClass } from "./service-class.ts";

/** What the environment demands of the class found. */
export interface ClassDemands {
  /** `QUARTET_EXPECT_CLASS`. */
  readonly expected: ServiceClass | undefined;
  /** Start although the login may more than its class needs. */
  readonly allowSurplus: boolean;
}

/**
 * The class of this process, or the error that stops it.
 *
 * @throws QuartetError `failed_precondition` naming each missing or surplus right and the SQL that mends it.
 */
export function requireClass(observed: ObservedRights, demands: ClassDemands): FoundClass {
  const found = findClass(observed);
  if (demands.expected !== undefined && found.serviceClass !== demands.expected) {
    throw unexpected(found, demands.expected, observed);
  }
  if (found.serviceClass === undefined) {
    throw refusal(`This login fits no class. For ${found.nearest} it lacks:`, found.missing);
  }
  if (found.surplus.length > 0 && !demands.allowSurplus) {
    throw refusal(`This login may more than a ${found.serviceClass} needs:`, found.surplus, surplusHint);
  }
  return found;
}

function unexpected(
  found: FoundClass | NoClass,
  expected: ServiceClass,
  observed: ObservedRights,
): QuartetError {
  const missing = missingRights(expected, observed);
  const is =
    found.serviceClass === undefined
      ? "this login fits no class"
      : `this process is a ${found.serviceClass}: ${found.reasons.join("; ")}`;
  const title = `QUARTET_EXPECT_CLASS is ${expected}, but ${is}.`;
  if (missing.length > 0) return refusal(`${title} For ${expected} it lacks:`, missing);
  const mend = expected === "lambda" ? "Unset DATABASE_URL" : `Give it a login of quartet_${expected}`;
  return new QuartetError("failed_precondition", title, { fix: `${mend}, or change QUARTET_EXPECT_CLASS.` });
}

const surplusHint = "-- or, to start all the same: QUARTET_ALLOW_SURPLUS=1";

function refusal(title: string, faults: readonly RightsFault[], hint?: string): QuartetError {
  const what = faults.map((fault) => `  ${fault.what}`).join("\n");
  const fixes = [...faults.map((fault) => fault.fix), ...(hint === undefined ? [] : [hint])];
  return new QuartetError("failed_precondition", `${title}\n${what}`, { fix: fixes.join("\n") });
}
