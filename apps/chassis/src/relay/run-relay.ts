import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { withSystemTypes } from "../schema/system-registry.ts";
import type { Domain } from "../service/domain.ts";
import { openPool } from "../sql/open-pool.ts";
import { type AddressRules, publicAddresses } from "../wire/http/address-rules.ts";
import type { WebhookSecret } from "../wire/webhook/webhook-signature.ts";
import { type OutboxSource, outboxSources } from "./capture/outbox-source.ts";
import { runCapture } from "./capture/run-capture.ts";
import type { RetentionSettings } from "./housekeeping/retention-settings.ts";
import { runHousekeeping } from "./housekeeping/run-housekeeping.ts";
import { keepRunning } from "./keep-running.ts";
import type { Lease } from "./lease/lease.ts";
import { type LeaseTick, runLeases } from "./lease/run-leases.ts";
import type { EventLog } from "./log/event-log.ts";
import { openPostgresLog } from "./log/postgres-log.ts";
import { type RelayObserver, silentObserver } from "./relay-observer.ts";
import { runSubscriptionLease, type SubscriptionParts } from "./run-subscription-lease.ts";
import { declareSubscriptions, recordSubscriptions } from "./subscription/declare-subscriptions.ts";
import { SubscriptionWatch } from "./subscription/watch-subscriptions.ts";

/** What a relay needs. Its login has REPLICATION and is a member of `quartet_relay`. */
export interface RelaySettings {
  readonly domain: Domain;
  readonly databaseUrl: string;
  /** The same as `databaseUrl` when there is no dedicated events database. */
  readonly eventsDatabaseUrl: string;
  readonly upstreams: ClassUpstreams;
  /** Where outside endpoints may be: default, public addresses alone. */
  readonly addressRules?: AddressRules;
  readonly secrets: readonly WebhookSecret[];
  readonly logger: Logger;
  /** Unique among all relay processes that ever are. Default: host, process id and a random part. */
  readonly process?: string;
  /** Of this process' listener, as others reach it: where subscribers fetch data that is pushed by reference. */
  readonly url?: string;
  readonly observer?: RelayObserver;
  /** How long what the relay keeps is kept. */
  readonly retention?: RetentionSettings;
  /** Called when this process lives and takes its share of the work. */
  readonly onActive?: () => void;
  /** Called every half second while it lives and sees the events database. */
  readonly onTick?: (tick: LeaseTick) => void;
}

/** All that the work of a relay process is done with. */
interface RelayParts extends SubscriptionParts {
  readonly settings: RelaySettings;
  readonly sources: readonly OutboxSource[];
}

const subscriptionPrefix = "subscription/";
const capturePrefix = "capture/";
const housekeepingLease = "housekeeping";

/**
 * Runs a relay until the signal aborts: outboxes → log → subscriptions.
 *
 * Several may run. Each holds the leases of its share, and does what they stand for: the capture of an outbox, the
 * delivery of a subscription, the housekeeping. Every part waits out its own faults, and none takes another down; it
 * never throws.
 */
export async function runRelay(settings: RelaySettings, signal: AbortSignal): Promise<void> {
  await keepRunning("relay", settings.logger, signal, () => runOnce(settings, signal));
}

async function runOnce(settings: RelaySettings, signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const pool = openRelayPool(settings);
  stack.defer(() => pool.end());
  const log = stack.use(await openPostgresLog({ pool, url: settings.eventsDatabaseUrl }));
  const parts = createParts(settings, pool, log);
  // It outlives the leases, so that what ends with them can still be read.
  const watching = new AbortController();
  const watched = watchSubscriptions(parts, watching.signal);
  try {
    await shareWork(parts, signal);
  } finally {
    watching.abort();
    await watched;
  }
}

function createParts(settings: RelaySettings, pool: Pool, log: EventLog): RelayParts {
  const { domain, secrets, logger, upstreams, url, observer = silentObserver } = settings;
  const reach = { rules: settings.addressRules ?? publicAddresses };
  const push = {
    domainName: domain.name,
    secrets,
    registry: withSystemTypes(domain.registry),
    relayUrl: url,
  };
  const watch = new SubscriptionWatch(pool, logger);
  return {
    settings,
    sources: outboxSources(domain.name, settings),
    pool,
    log,
    domain,
    push,
    logger,
    observer,
    watch,
    upstreams,
    reach,
  };
}

function openRelayPool({ eventsDatabaseUrl, logger }: RelaySettings): Pool {
  return openPool({
    url: eventsDatabaseUrl,
    applicationName: "quartet relay",
    maxConnections: 12,
    statementTimeoutMs: 30_000,
    onIdleError: (error) =>
      logger.warn({ reason: error.message }, "lost a connection to the events database"),
  });
}

/** Records what the domain declares, then reads what there is, again and again. */
async function watchSubscriptions(parts: RelayParts, signal: AbortSignal): Promise<void> {
  const { pool, log, domain, logger, watch } = parts;
  const declared = declareSubscriptions(domain);
  await keepRunning("declare subscriptions", logger, signal, () => recordSubscriptions(pool, log, declared));
  await watch.run(signal);
}

async function shareWork(parts: RelayParts, signal: AbortSignal): Promise<void> {
  const { settings, logger } = parts;
  let active = false;
  const onTick = (tick: LeaseTick) => {
    settings.onTick?.(tick);
    if (active) return;
    active = true;
    logger.info({ others: tick.others.length }, "the relay works");
    settings.onActive?.();
  };
  const process =
    settings.process ?? `${hostname()}-${globalThis.process.pid}-${randomBytes(4).toString("hex")}`;
  await runLeases(
    {
      url: settings.eventsDatabaseUrl,
      process,
      processUrl: settings.url ?? "",
      wanted: () => wantedLeases(parts),
      run: (lease) => runLease(parts, lease),
      logger,
      onTick,
    },
    signal,
  );
}

function wantedLeases({ sources, watch }: RelayParts): readonly string[] | undefined {
  const { active } = watch;
  if (active === undefined) return undefined;
  return [
    ...sources.map(({ name }) => capturePrefix + name),
    housekeepingLease,
    ...active.map((name) => subscriptionPrefix + name),
  ];
}

async function runLease(parts: RelayParts, lease: Lease): Promise<void> {
  const { name, signal } = lease;
  await keepRunning(name, parts.logger, signal, () =>
    name.startsWith(subscriptionPrefix)
      ? runSubscriptionLease(name.slice(subscriptionPrefix.length), parts, lease)
      : runFixed(parts, lease),
  );
}

/** What every deployment has, whatever its subscriptions. */
async function runFixed(parts: RelayParts, lease: Lease): Promise<void> {
  const { settings, sources, log, observer, logger } = parts;
  const source = sources.find((each) => capturePrefix + each.name === lease.name);
  if (source !== undefined) return runCapture(source, log, lease, observer, logger);
  await runHousekeeping(parts, lease, settings.retention);
}
