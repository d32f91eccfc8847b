import type { RequestListener } from "node:http";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { DeadLetters, OperationDeliveries, Subscriptions } from "../../gen/quartet/v1/relay_admin_pb.ts";
import type { Domain } from "../../service/domain.ts";
import { openPool } from "../../sql/open-pool.ts";
import { type AddressRules, publicAddresses } from "../../wire/http/address-rules.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import { type OutboxSource, outboxSources } from "../capture/outbox-source.ts";
import { openPostgresLog } from "../log/postgres-log.ts";
import type { RelayObserver } from "../relay-observer.ts";
import { declareSubscriptions } from "../subscription/declare-subscriptions.ts";
import { subscriptionReader } from "../subscription/subscription-table.ts";
import { createAdminApp } from "./admin-app.ts";
import { adminService } from "./admin-service.ts";
import { createDeadLettersService } from "./dead-letters-service.ts";
import { createDeliveriesService } from "./deliveries-service.ts";
import { answerEventData } from "./event-data-endpoint.ts";
import { readGauges } from "./read-gauges.ts";
import { type RetainedWal, readRetainedWal } from "./read-retained-wal.ts";
import { createRelayMetrics } from "./relay-metrics.ts";
import { createSubscriptionsService } from "./subscriptions-service.ts";

export interface RelayAdminSettings {
  readonly domain: Domain;
  readonly databaseUrl: string;
  /** The same as `databaseUrl` where there is no dedicated events database. */
  readonly eventsDatabaseUrl: string;
  readonly secrets: readonly WebhookSecret[];
  /** Where outside endpoints may be: default, public addresses alone. */
  readonly addressRules?: AddressRules;
  /** Undefined: requests from this machine alone are answered. */
  readonly token: string | undefined;
  readonly logger: Logger;
}

/** What a relay process is administered and watched through. Its connections are its own: a busy relay answers too. */
export interface RelayAdmin extends AsyncDisposable {
  readonly handler: RequestListener;
  /** To be given to the relay, so that its work is counted. */
  readonly observer: RelayObserver;
  /** To be called at each tick of the relay. */
  readonly onTick: () => void;
}

/** A relay that has had no tick for so long is not ready. */
const tickLimitMs = 3_000;

export function openRelayAdmin(settings: RelayAdminSettings): RelayAdmin {
  const { domain, secrets, logger } = settings;
  const reach = { rules: settings.addressRules ?? publicAddresses };
  const pool = openAdminPool(settings, settings.eventsDatabaseUrl);
  const mainPool = openAdminPool(settings, settings.databaseUrl);
  const log = openPostgresLog({ pool });
  const declared = new Set(declareSubscriptions(domain).map(({ name }) => name));
  const metrics = createRelayMetrics({
    readGauges: () => readGauges(pool),
    readRetainedWal: () =>
      readAllRetainedWal(outboxSources(domain.name, settings), (source) =>
        source.name === "main" ? mainPool : pool,
      ),
  });
  let tickedMs = Number.NEGATIVE_INFINITY;
  const parts = { log, secrets, findSubscription: (name: string) => subscriptionReader(pool).get(name) };
  const handler = createAdminApp({
    services: [
      adminService(
        Subscriptions,
        createSubscriptionsService({ pool, log, secrets, reach, declaredNames: async () => declared }),
      ),
      adminService(DeadLetters, createDeadLettersService(pool)),
      adminService(
        OperationDeliveries,
        createDeliveriesService({ pool, secrets, domainName: async () => domain.name }),
      ),
    ],
    metrics,
    token: settings.token,
    answerEventData: (url, request, response) => answerEventData(parts, url, request, response),
    isReady: () => performance.now() - tickedMs < tickLimitMs,
    logger,
  });
  return {
    handler,
    observer: metrics.observer,
    onTick: () => {
      tickedMs = performance.now();
    },
    [Symbol.asyncDispose]: async () => {
      await log[Symbol.asyncDispose]();
      await Promise.all([pool.end(), mainPool.end()]);
    },
  };
}

async function readAllRetainedWal(
  sources: readonly OutboxSource[],
  poolOf: (source: OutboxSource) => Pool,
): Promise<readonly RetainedWal[]> {
  // A server that is away says nothing of the other's.
  const found = await Promise.all(
    sources.map((source) => readRetainedWal(poolOf(source), source.name, source.slot).catch(() => undefined)),
  );
  return found.filter((wal) => wal !== undefined);
}

function openAdminPool({ logger }: RelayAdminSettings, url: string): Pool {
  return openPool({
    url,
    applicationName: "quartet relay admin",
    // A read of the metrics that hangs has two of them, and leaves the operator some.
    maxConnections: 4,
    statementTimeoutMs: 10_000,
    onIdleError: (error) =>
      logger.warn({ reason: error.message }, "lost a connection of the relay's listener"),
  });
}
