import type { Message } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { type ClassDemands, requireClass } from "../class/require-class.ts";
import { type LoginRights, readLoginRights } from "../class/rights.ts";
import type { ServiceClass } from "../class/service-class.ts";
import { OperationWatcher } from "../command/operation-watcher.ts";
import type { MainDatabase, Runtime } from "../command/runtime.ts";
import { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { createReader } from "../pbtable/kysely.ts";
import { openPool } from "../pbtable/open-pool.ts";
import { ReplayWatcher } from "../position/replay-watcher.ts";
import { tableOf } from "../schema/table/table.ts";
import type { CallContext } from "../service/contexts.ts";
import type { Domain, DomainMethod } from "../service/domain.ts";
import { callDown } from "./call-down.ts";
import { ClassUpstreams, type ClassUrls } from "./upstream/class-upstreams.ts";

/** What a process is started with. The class is not among it: it is found. */
export interface RuntimeSettings extends ClassDemands {
  readonly domain: Domain;
  readonly databaseUrl: string | undefined;
  readonly eventsDatabaseUrl: string | undefined;
  readonly upstreams: ClassUrls;
  readonly secret: Buffer;
  readonly maxConnections: number;
  readonly log: Logger;
}

/** A running process: disposing closes its pools and agents. */
export interface OpenRuntime extends Runtime, AsyncDisposable {
  readonly serviceClass: ServiceClass;
}

const statementTimeoutMs = 5_000;

/**
 * Connects, finds the class, and opens what that class has.
 *
 * @throws QuartetError `failed_precondition` when the login fits no class or may too much; `unavailable`.
 */
export async function openRuntime(settings: RuntimeSettings): Promise<OpenRuntime> {
  await using stack = new AsyncDisposableStack();
  const main = openNamedPool(stack, settings, settings.databaseUrl, "main", false);
  const events = openNamedPool(stack, settings, settings.eventsDatabaseUrl, "events", false);
  const found = requireClass(
    { main: await probe(main, settings.domain), events: await probe(events, settings.domain) },
    settings,
  );
  // Elsewhere grants refuse what a handler writes by itself; in crud, where they cannot, its sessions only read.
  const isCrud = found.serviceClass === "crud";
  const reader = isCrud ? openNamedPool(stack, settings, settings.databaseUrl, "main reads", true) : main;
  const upstreams = stack.use(new ClassUpstreams(settings.upstreams));
  const owned = stack.move();
  const runtime: OpenRuntime = {
    domain: settings.domain,
    found,
    serviceClass: found.serviceClass,
    log: settings.log,
    secret: settings.secret,
    main: reader === undefined ? undefined : describeMain(reader, isCrud ? main : undefined, settings.domain),
    outbox: isCrud ? main : found.serviceClass === "micro" ? events : undefined,
    callDown: (method: DomainMethod, request: Message, context: CallContext) =>
      callDown(runtime, upstreams, method, request, context),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return runtime;
}

function describeMain(pool: Pool, writer: Pool | undefined, domain: Domain): MainDatabase {
  return {
    pool,
    writer,
    reader: createReader(pool),
    replay: new ReplayWatcher(pool),
    operations: new OperationWatcher(pool, domain.registry),
  };
}

async function probe(pool: Pool | undefined, domain: Domain): Promise<LoginRights | undefined> {
  if (pool === undefined) return undefined;
  return readLoginRights(pool, [...domain.tables, tableOf(OperationRecordSchema)]);
}

function openNamedPool(
  stack: AsyncDisposableStack,
  settings: RuntimeSettings,
  url: string | undefined,
  name: string,
  readOnly: boolean,
): Pool | undefined {
  if (url === undefined) return undefined;
  const pool = openPool({
    url,
    applicationName: `quartet ${settings.domain.name} ${name}`,
    maxConnections: settings.maxConnections,
    statementTimeoutMs,
    readOnly,
    onIdleError: (error) => settings.log.warn({ reason: error.message }, `lost a connection to ${name}`),
  });
  stack.defer(() => pool.end());
  return pool;
}
