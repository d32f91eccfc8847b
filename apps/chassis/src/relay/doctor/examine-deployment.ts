import { Client, Pool } from "pg";
import { readGauges } from "../admin/read-gauges.ts";
import { readCaptureRecord } from "../capture/capture-record.ts";
import { examineSource } from "../capture/examine-source.ts";
import { type OutboxSource, outboxSources } from "../capture/outbox-source.ts";
import { readSourceReport } from "../capture/source-report.ts";
import { examineOutbox } from "./examine-outbox.ts";
import { examineRelay } from "./examine-relay.ts";
import type { Finding } from "./finding.ts";

/** The databases of a deployment, by URLs of the relay's login. */
export interface DeploymentUrls {
  readonly databaseUrl: string;
  /** The same as `databaseUrl` where there is no dedicated events database. */
  readonly eventsDatabaseUrl: string;
}

const connectMs = 5_000;

/**
 * Examines a deployment: its servers, slots, outboxes, log, relays, subscriptions and dead letters. Only reads. What cannot
 * be examined is a finding.
 */
export async function examineDeployment(
  domainName: string,
  urls: DeploymentUrls,
): Promise<readonly Finding[]> {
  const pool = new Pool({
    connectionString: urls.eventsDatabaseUrl,
    max: 2,
    connectionTimeoutMillis: connectMs,
    application_name: "quartet doctor",
  });
  pool.on("error", () => undefined);
  try {
    const findings: Finding[] = [];
    for (const source of outboxSources(domainName, urls)) findings.push(...(await examineOne(source, pool)));
    findings.push(...(await orFinding("events", () => examineEvents(urls.eventsDatabaseUrl, pool))));
    return findings;
  } finally {
    await pool.end();
  }
}

function examineOne(source: OutboxSource, pool: Pool): Promise<readonly Finding[]> {
  return orFinding(source.name, async () => {
    const report = await readSourceReport(source, () => readCaptureRecord(pool, source.name));
    const part = source.name;
    return [
      ...examineSource(report, new Date()).map((finding) => ({ ...finding, part })),
      ...(await withClient(source.url, (client) => examineOutbox(client, part))),
    ];
  });
}

async function examineEvents(url: string, pool: Pool): Promise<readonly Finding[]> {
  const gauges = await readGauges(pool);
  return withClient(url, (client) => examineRelay(client, gauges));
}

async function orFinding(
  part: string,
  examine: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await examine();
  } catch (error) {
    return [{ level: "failure", part, what: `cannot be examined: ${describeError(error)}` }];
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return `${error.message || error.name}${cause}`;
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: connectMs,
    statement_timeout: 30_000,
    application_name: "quartet doctor",
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
