import { QuartetError } from "../../error/quartet-error.ts";

/** What is wrong with one field of a subscription, and what mends it. */
export interface SubscriptionFault {
  /** Path by proto names, such as `batch.max_events` or `filters[0].any[1]`. */
  readonly field: string;
  /** Continues a sentence that begins with the field. */
  readonly problem: string;
  readonly fix: string;
}

/** @throws QuartetError `invalid_argument` with all faults, one a line; its field is that of the first one. */
export function refuseFaults(faults: readonly SubscriptionFault[]): void {
  const [first] = faults;
  if (first === undefined) return;
  const lines = faults.map(({ field, problem }) => `${field} ${problem}.`);
  const fixes = new Set(faults.map(({ fix }) => fix));
  throw new QuartetError("invalid_argument", lines.join("\n"), {
    field: first.field,
    fix: [...fixes].join(" "),
  });
}
