import { setTimeout as delay } from "node:timers/promises";
import { Client, type Pool } from "pg";
import type { Logger } from "pino";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { Subscription } from "../gen/quartet/v1/subscription_pb.ts";
import { openPool } from "../pbtable/open-pool.ts";
import type { Domain } from "../service/domain.ts";
import type { WebhookSecret } from "../wire/webhook/webhook-signature.ts";
import { type OutboxSource, runCapture } from "./capture/run-capture.ts";
import { SubscriptionRunner } from "./delivery/subscription-runner.ts";
import { createPostgresLog } from "./log/postgres-log.ts";
import { type PushTarget, resolveTarget } from "./push/push-event.ts";
import { declareSubscriptions, recordSubscriptions } from "./subscription/subscriptions.ts";

/** What a relay needs. Its login has REPLICATION and is a member of `quartet_relay`. */
export interface RelaySettings {
  readonly domain: Domain;
  readonly databaseUrl: string;
  /** The same as `databaseUrl` when there is no dedicated events database. */
  readonly eventsDatabaseUrl: string;
  readonly upstreams: ClassUpstreams;
  readonly secrets: readonly WebhookSecret[];
  readonly logger: Logger;
  /** Called each time this relay begins to work: it alone has the lease. */
  readonly onActive?: () => void;
}

const leaseKey = 7_236_419_002n;
const leasePauseMs = 500;
const leaseCheckMs = 2_000;
const leaseLimitMs = 5_000;
const faultPauseMs = 500;

/**
 * Runs a relay until the signal aborts: outboxes → log → subscriptions.
 *
 * Several may run; the one that holds the lease (a session lock in the events database) works and the others wait. A
 * relay that loses the events database loses the lease, stops all its work, and begins again.
 */
export async function runRelay(settings: RelaySettings, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await runWithLease(settings, signal);
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      settings.logger.warn({ reason }, "relay stopped; starting again");
    }
    await delay(faultPauseMs, undefined, { signal }).catch(() => undefined);
  }
}

async function runWithLease(settings: RelaySettings, signal: AbortSignal): Promise<void> {
  const client = new Client({
    connectionString: settings.eventsDatabaseUrl,
    application_name: "quartet relay lease",
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  const lost = new AbortController();
  client.on("error", () => lost.abort());
  client.on("end", () => lost.abort());
  try {
    await client.connect();
    if (!(await takeLease(client, signal))) return;
    settings.logger.info("holding the lease");
    settings.onActive?.();
    const stop = AbortSignal.any([signal, lost.signal]);
    await Promise.all([runParts(settings, stop), watchLease(client, lost, stop)]);
  } finally {
    // A dead connection does not answer a goodbye either.
    await Promise.race([client.end(), delay(leaseLimitMs, undefined, { ref: false })]).catch(() => undefined);
  }
}

/** A connection can die without a word; a lease that cannot be confirmed in time is taken for lost. */
async function watchLease(client: Client, lost: AbortController, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await delay(leaseCheckMs, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return;
    const confirmed = client.query("select 1").then(() => true);
    const inTime = await Promise.race([confirmed, delay(leaseLimitMs, false, { ref: false })]).catch(
      () => false,
    );
    if (!inTime) lost.abort();
  }
}

async function takeLease(client: Client, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const result = await client.query<{ held: boolean }>("select pg_try_advisory_lock($1) as held", [
      leaseKey,
    ]);
    if (result.rows[0]?.held) return true;
    await delay(leasePauseMs, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** Runs captures and subscriptions until the signal aborts; when one of them throws, all stop. */
async function runParts(settings: RelaySettings, signal: AbortSignal): Promise<void> {
  const { domain, logger } = settings;
  const pool: Pool = openPool({
    url: settings.eventsDatabaseUrl,
    applicationName: "quartet relay",
    maxConnections: 12,
    statementTimeoutMs: 30_000,
    onIdleError: (error) =>
      logger.warn({ reason: error.message }, "lost a connection to the events database"),
  });
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  try {
    const subscriptions = await recordSubscriptions(pool, declareSubscriptions(domain));
    const log = createPostgresLog(pool);
    const push = { domainName: domain.name, secrets: settings.secrets };
    const runs = [
      ...outboxSources(settings).map((source) => runCapture(source, log, logger, stop)),
      ...subscriptions
        .filter((subscription) => !subscription.paused)
        .flatMap((subscription) => {
          const target = tryResolve(subscription, settings);
          if (target === undefined) return [];
          return [
            new SubscriptionRunner({ pool, log, domain, push, logger }, subscription, target).run(stop),
          ];
        }),
    ].map((run) =>
      run.catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    );
    const results = await Promise.allSettled(runs);
    const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    if (errors.length > 0)
      throw new QuartetError("unavailable", "A part of the relay failed.", { cause: errors[0] });
  } finally {
    await pool.end();
  }
}

/** A subscription whose endpoint cannot be pushed to is halted, and no other with it. */
function tryResolve(subscription: Subscription, settings: RelaySettings): PushTarget | undefined {
  try {
    return resolveTarget(subscription.endpoint, settings.upstreams);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    settings.logger.error({ subscription: subscription.name, reason }, "subscription halted");
    return undefined;
  }
}

function outboxSources(settings: RelaySettings): OutboxSource[] {
  const { databaseUrl, eventsDatabaseUrl, domain } = settings;
  const main: OutboxSource = { name: "main", url: databaseUrl, slot: `quartet_${domain.name}_main` };
  if (databaseUrl === eventsDatabaseUrl) return [main];
  return [main, { name: "events", url: eventsDatabaseUrl, slot: `quartet_${domain.name}_events` }];
}
