import type { Check } from "./check.ts";

const shownFaults = 5;

/** The balance sheet for people: a line for each check, and the first things that do not fit. */
export function formatSheet(checks: readonly Check[]): string {
  return checks.flatMap((check) => [formatCheck(check), ...formatFaults(check.faults)]).join("\n");
}

function formatCheck({ what, expected, actual, balances }: Check): string {
  return `${balances ? "✓" : "✗"} ${what}: ${expected} ${balances ? "=" : "≠"} ${actual}`;
}

function formatFaults(faults: readonly string[]): string[] {
  const shown = faults.slice(0, shownFaults).map((fault) => `    ${fault}`);
  return faults.length > shownFaults ? [...shown, `    … and ${faults.length - shownFaults} more`] : shown;
}
