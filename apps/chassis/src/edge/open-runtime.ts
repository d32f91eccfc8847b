import { hostname } from "node:os";
import type { Message } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { type ClassDemands, requireClass } from "../class/require-class.ts";
import { type LoginRights, readLoginRights } from "../class/rights.ts";
import type { ServiceClass } from "../class/service-class.ts";
import { OperationWatcher } from "../command/operation-watcher.ts";
import type { MainDatabase, Runtime } from "../command/runtime.ts";
import { ReplayWatcher } from "../position/replay-watcher.ts";
import { systemTables } from "../schema/system-tables.ts";
import type { CallContext } from "../service/contexts.ts";
import type { Domain, DomainMethod } from "../service/domain.ts";
import { openPool } from "../sql/open-pool.ts";
import { type AddressRules, publicAddresses } from "../wire/http/address-rules.ts";
import { callDown } from "./call-down.ts";
import { type ClassMetrics, createClassMetrics } from "./metrics/class-metrics.ts";
import { openFlags } from "./open-flags.ts";
import { Admission } from "./overload/admission.ts";
import { DownGuard } from "./overload/down-guard.ts";
import { watchLoad } from "./overload/load-signals.ts";
import { chooseBudget, readLoginBudget, type StatementBudget } from "./statement-budget.ts";
import { ClassUpstreams, type ClassUrls } from "./upstream/class-upstreams.ts";

/** What a process is started with. The class is not among it: it is found. */
export interface RuntimeSettings extends ClassDemands {
  readonly domain: Domain;
  readonly databaseUrl: string | undefined;
  readonly eventsDatabaseUrl: string | undefined;
  readonly upstreams: ClassUrls;
  readonly secret: Buffer;
  /** Where callbacks may be asked for: default, at public addresses alone. */
  readonly addressRules?: AddressRules;
  readonly maxConnections: number;
  /** A file of flag definitions, instead of the main database's. */
  readonly flagsFile?: string | undefined;
  /** Instead of what the login or the class says. */
  readonly statementTimeoutMs?: number | undefined;
  readonly log: Logger;
  /** What this process is called in the fates of operations: default, its host and process id. */
  readonly node?: string | undefined;
}

/** A running process: disposing closes its pools and agents. */
export interface OpenRuntime extends Runtime, AsyncDisposable {
  readonly serviceClass: ServiceClass;
  /** Lets the requests of all listeners in. */
  readonly admission: Admission;
  /** `GET /metrics`. */
  readonly metrics: ClassMetrics;
  /** By database. */
  readonly statementBudgets: Readonly<Record<string, StatementBudget>>;
  /** `GET /_quartet/load`: what is under way and waits, the signals, breakers and retry budgets. */
  describeLoad(): Readonly<Record<string, unknown>>;
}

/** Of probes: what a login may is asked with more time than its class has. */
const probeTimeoutMs = 5_000;

/**
 * Connects, finds the class, and opens what that class has.
 *
 * @throws QuartetError `failed_precondition` when the login fits no class or may too much; `unavailable`.
 */
export async function openRuntime(settings: RuntimeSettings): Promise<OpenRuntime> {
  await using stack = new AsyncDisposableStack();
  const probed = {
    main: await probe(settings, settings.databaseUrl),
    events: await probe(settings, settings.eventsDatabaseUrl),
  };
  const found = requireClass({ main: probed.main?.rights, events: probed.events?.rights }, settings);
  const budget = chooseBudget(settings.statementTimeoutMs, probed.main?.budgetMs, found);
  const eventsBudget = chooseBudget(settings.statementTimeoutMs, probed.events?.budgetMs, found);
  const main = openNamedPool(stack, settings, settings.databaseUrl, "main", budget, false);
  const events = openNamedPool(stack, settings, settings.eventsDatabaseUrl, "events", eventsBudget, false);
  // Elsewhere grants refuse what a handler writes by itself; in crud, where they cannot, its sessions only read.
  const isCrud = found.serviceClass === "crud";
  const reader = isCrud
    ? openNamedPool(stack, settings, settings.databaseUrl, "main reads", budget, true)
    : main;
  const upstreams = stack.use(new ClassUpstreams(settings.upstreams));
  const flags = await openFlags(stack, settings, reader);
  const pools = { main, events, ...(isCrud ? { reads: reader } : {}) };
  const admission = new Admission(watchLoad(withoutAbsent(pools)));
  const guard = new DownGuard();
  const mainDatabase =
    reader === undefined ? undefined : describeMain(reader, isCrud ? main : undefined, settings.domain);
  const { serviceClass } = found;
  const owned = stack.move();
  const runtime: OpenRuntime = {
    domain: settings.domain,
    found,
    serviceClass,
    log: settings.log,
    node: settings.node ?? `${hostname()}/${process.pid}`,
    secret: settings.secret,
    flags,
    addressRules: settings.addressRules ?? publicAddresses,
    main: mainDatabase,
    outbox: isCrud ? main : found.serviceClass === "micro" ? events : undefined,
    callDown: (method: DomainMethod, request: Message, context: CallContext) =>
      callDown(runtime, upstreams, guard, method, request, context),
    admission,
    metrics: createClassMetrics({
      ...{ domain: settings.domain, serviceClass, admission, pools: withoutAbsent(pools) },
      ...{ upstreams, guard, flags, main: mainDatabase },
    }),
    statementBudgets: withoutAbsent({
      main: main && budget,
      events: events && eventsBudget,
    }),
    describeLoad: () => ({ ...admission.describe(), callsDown: guard.describe(upstreams) }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return runtime;
}

function describeMain(pool: Pool, writer: Pool | undefined, domain: Domain): MainDatabase {
  return {
    pool,
    writer,
    replay: new ReplayWatcher(pool),
    operations: new OperationWatcher(pool, domain.registry),
  };
}

/** What a login may and brings, asked on a connection that sets nothing itself. */
interface Probed {
  readonly rights: LoginRights;
  readonly budgetMs: number | undefined;
}

async function probe(settings: RuntimeSettings, url: string | undefined): Promise<Probed | undefined> {
  if (url === undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const pool = openPool({
    url,
    applicationName: `quartet ${settings.domain.name} probe`,
    maxConnections: 1,
    statementTimeoutMs: probeTimeoutMs,
    limitedByLogin: true,
    onIdleError: (error) => settings.log.warn({ reason: error.message }, "lost a connection of the probe"),
  });
  stack.defer(() => pool.end());
  return {
    rights: await readLoginRights(pool, [...settings.domain.tables, ...systemTables]),
    budgetMs: await readLoginBudget(pool),
  };
}

function withoutAbsent<T>(values: Readonly<Record<string, T | undefined>>): Record<string, T> {
  const present = Object.entries(values).filter((entry): entry is [string, T] => entry[1] !== undefined);
  return Object.fromEntries(present);
}

function openNamedPool(
  stack: AsyncDisposableStack,
  settings: RuntimeSettings,
  url: string | undefined,
  name: string,
  budget: StatementBudget,
  readOnly: boolean,
): Pool | undefined {
  if (url === undefined) return undefined;
  const pool = openPool({
    url,
    applicationName: `quartet ${settings.domain.name} ${name}`,
    maxConnections: settings.maxConnections,
    statementTimeoutMs: budget.ms,
    limitedByLogin: budget.from === "login",
    readOnly,
    onIdleError: (error) => settings.log.warn({ reason: error.message }, `lost a connection to ${name}`),
  });
  stack.defer(() => pool.end());
  return pool;
}
