import { Client, Pool } from "pg";
import { rootReason } from "../../error/root-reason.ts";
import { readGauges } from "../admin/read-gauges.ts";
import { readCaptureRecord } from "../capture/capture-record.ts";
import { examineSource } from "../capture/examine-source.ts";
import { type OutboxSource, outboxSources } from "../capture/outbox-source.ts";
import { readSourceReport } from "../capture/source-report.ts";
import { describeFault } from "./describe-fault.ts";
import { examineLogin } from "./examine-login.ts";
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
const statementMs = 30_000;
/** A server that vanished without a word cannot keep its own limit. */
const silenceMs = 3_000;
const limits = {
  connectionTimeoutMillis: connectMs,
  statement_timeout: statementMs,
  query_timeout: statementMs + silenceMs,
};

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
    ...limits,
    application_name: "quartet doctor",
  });
  pool.on("error", () => undefined);
  try {
    const findings: Finding[] = [];
    for (const source of outboxSources(domainName, urls)) findings.push(...(await examineOne(source, pool)));
    findings.push(...(await orFinding("events", () => examineEvents(urls.eventsDatabaseUrl, pool))));
    return withoutTwins(findings);
  } finally {
    await pool.end();
  }
}

async function examineOne(source: OutboxSource, pool: Pool): Promise<readonly Finding[]> {
  const part = source.name;
  const capture = await orFinding(part, async () => {
    const report = await readSourceReport(source, () => readCaptureRecord(pool, source.name));
    return examineSource(report, new Date()).map((finding) => ({ ...finding, part }));
  });
  const outbox = await orFinding(part, () =>
    withClient(source.url, async (client) => [
      ...(await examineLogin(client, part)),
      ...(await examineOutbox(client, part)),
    ]),
  );
  return [...capture, ...outbox];
}

/** A server that is away is so for all that is asked of it. */
function withoutTwins(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.part}: ${finding.what}`, finding])).values()];
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
    const { what, fix } = describeFault(error) ?? { what: rootReason(error), fix: undefined };
    const finding = { level: "failure", part, what: `cannot be examined: ${what}` } as const;
    return [fix === undefined ? finding : { ...finding, fix }];
  }
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    ...limits,
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
