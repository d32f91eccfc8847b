import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";

/** How a day of trade is to run. */
export interface DemoOptions {
  /** At least this many. */
  readonly requests: number;
  /** Decides everything: who asks what, and which process is killed when. */
  readonly seed: number;
  readonly kill: boolean;
  /** Leave the cluster's data for inspection. */
  readonly keep: boolean;
  /** Print the balance sheet as one JSON line at the end. */
  readonly json: boolean;
}

export const usage = `Usage: npm run demo -- [options]

A day of trade against a running cluster, while its processes are killed and come back; then a balance sheet from the
databases. Exit code 0 when it balances, 1 when it does not.

  --requests N  at least N requests (default 20000)
  --seed S      what decides everything; 0 to 4294967295 (default: random, and printed)
  --no-kill     kill nothing
  --keep        leave the cluster's data and log for inspection
  --json        print the balance sheet as JSON on the last line
  --help        print this
`;

/**
 * Parses the command line.
 *
 * @returns undefined when help was asked for
 * @throws Error that says what is wrong with it.
 */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      requests: { type: "string", default: "20000" },
      seed: { type: "string" },
      kill: { type: "boolean", default: true },
      keep: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
    allowNegative: true,
  });
  if (values.help) return undefined;
  return {
    requests: parseInteger("--requests", values.requests, 100, 10_000_000),
    seed:
      values.seed === undefined ? randomInt(2 ** 32) : parseInteger("--seed", values.seed, 0, 2 ** 32 - 1),
    kill: values.kill,
    keep: values.keep,
    json: values.json,
  };
}

function parseInteger(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${name} is "${text}", not a whole number from ${min} to ${max}.`);
}
