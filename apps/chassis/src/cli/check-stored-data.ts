import { QuartetError } from "../error/quartet-error.ts";
import { checkData } from "../gate/check-data.ts";
import type { CheckedTable } from "../gate/data/table-check.ts";
import { describeData } from "../gate/describe-data.ts";
import type { Domain } from "../service/domain.ts";
import type { Environment } from "./environment.ts";

/** Options of `quartet check --data`, as commander has them. */
export interface StoredDataOptions {
  readonly all?: boolean;
  readonly sample?: string;
  readonly seed?: string;
  readonly json?: boolean;
}

const defaultSampleRows = 10_000;
const progressIntervalMs = 1_000;

/**
 * Checks stored data with the domain's schema and prints the report. Findings make the exit code 1.
 *
 * @throws QuartetError `invalid_argument` for options that make no sense.
 */
export async function checkStoredData(
  domain: Domain,
  {
    databaseUrl = "",
    eventsDatabaseUrl = databaseUrl,
  }: Pick<Environment, "databaseUrl" | "eventsDatabaseUrl">,
  options: StoredDataOptions,
): Promise<void> {
  if (options.all && options.sample !== undefined) {
    throw new QuartetError("invalid_argument", "--all reads every row, --sample some: give one of them.");
  }
  const sampleRows = options.all ? undefined : readCount("--sample", options.sample, defaultSampleRows);
  // Another sample each time finds more in the long run; the report names the seed, so that it can be had again.
  const seed = readCount("--seed", options.seed, Date.now() % 1_000_000);
  const report = await checkData(
    domain,
    { databaseUrl, eventsDatabaseUrl: eventsDatabaseUrl ?? databaseUrl },
    { sampleRows, seed, onProgress: createProgress() },
  );
  console.log(options.json ? JSON.stringify(report) : describeData(report));
  if (report.findings.length > 0) process.exitCode = 1;
}

function readCount(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new QuartetError("invalid_argument", `${name} is "${text}", not a whole number from 1 to 999999999.`);
}

/** Tells on stderr how far a table is, once a second while it takes longer than that. */
function createProgress(): (table: CheckedTable) => void {
  let toldAt = Date.now();
  return ({ table, rows, expectedRows }) => {
    if (Date.now() - toldAt < progressIntervalMs) return;
    toldAt = Date.now();
    const expected = Math.max(rows, expectedRows).toLocaleString("en-US");
    console.error(`${table}: ${rows.toLocaleString("en-US")} of about ${expected} rows`);
  };
}
