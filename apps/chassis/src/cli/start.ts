import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { flushCompileCache } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { createApp } from "../edge/create-app.ts";
import { type Listener, openListener } from "../edge/listen.ts";
import { countGrpc } from "../edge/metrics/count-grpc.ts";
import { type OpenRuntime, openRuntime } from "../edge/open-runtime.ts";
import { createGrpcHandler } from "../edge/overload/guard-grpc.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { rootReason } from "../error/root-reason.ts";
import { runRelay } from "../relay/run-relay.ts";
import type { Domain } from "../service/domain.ts";
import { sqlStateOf, translateDatabaseError } from "../sql/translate-error.ts";
import type { Environment } from "./environment.ts";
import { describeDatabase, reportReady } from "./report-ready.ts";
import { aborted } from "./run-until-stopped.ts";

const connectPatienceMs = 30_000;
const drainMs = 5_000;

/** `quartet start`: serves a domain as the class its login makes it, until the signal aborts. */
export async function runStart(
  domain: Domain,
  environment: Environment,
  withRelay: boolean,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const runtime = stack.use(await openRuntimePatiently(domain, environment, log, signal));
  let stopping = false;
  const app = createApp(runtime, {
    pushSecrets: environment.secrets,
    isReady: async () => !stopping && (await canReadMain(runtime)),
  });
  const listener = stack.use(await openListener(app, environment.port, environment.host));
  if (environment.grpcPort !== undefined)
    stack.use(await openGrpc(runtime, environment.grpcPort, environment.host));
  const relay = withRelay ? runOwnRelay(domain, environment, listener, log, signal) : Promise.resolve();
  const { serviceClass, reasons } = runtime.found;
  log.info({ port: listener.port, reasons }, `${domain.name} is a ${serviceClass}`);
  reportReady({
    kind: "ready",
    class: serviceClass,
    port: listener.port,
    database: describeDatabase(environment.databaseUrl),
    reasons,
  });
  flushCompileCache();
  await aborted(signal);
  stopping = true;
  await relay;
}

/** The day-one monolith: the relay of its one database in the same process, pushing to itself. */
async function runOwnRelay(
  domain: Domain,
  environment: Environment,
  listener: Listener,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const url = environment.relayDatabaseUrl ?? "";
  const self = [`http://127.0.0.1:${listener.port}`];
  await using upstreams = new ClassUpstreams({ crud: self, micro: [], nano: [], lambda: [] });
  await runRelay(
    {
      domain,
      databaseUrl: url,
      eventsDatabaseUrl: url,
      upstreams,
      secrets: environment.secrets,
      addressRules: environment.addressRules,
      ...(environment.retention === undefined ? {} : { retention: environment.retention }),
      logger: log.child({ part: "relay" }),
    },
    signal,
  );
}

/** A database that is not there yet is waited for; a login that fits no class is not. */
async function openRuntimePatiently(
  domain: Domain,
  environment: Environment,
  log: Logger,
  signal: AbortSignal,
): Promise<OpenRuntime> {
  const untilMs = Date.now() + connectPatienceMs;
  for (;;) {
    try {
      return await openRuntime({
        domain,
        databaseUrl: environment.databaseUrl,
        eventsDatabaseUrl: environment.eventsDatabaseUrl,
        upstreams: environment.upstreams,
        secret: environment.secretBytes,
        addressRules: environment.addressRules,
        expected: environment.expectedClass,
        allowSurplus: environment.allowSurplus,
        maxConnections: environment.maxConnections,
        node: environment.node,
        flagsFile: environment.flagsFile,
        statementTimeoutMs: environment.statementTimeoutMs,
        log,
      });
    } catch (thrown) {
      const error = translateDatabaseError(thrown);
      refuseWrongLogin(error);
      const away = error instanceof QuartetError && error.code === "unavailable";
      if (!away || Date.now() > untilMs || signal.aborted) throw error;
      log.warn({ reason: error.message }, "waiting for the database");
      await delay(500, undefined, { signal });
    }
  }
}

/** What the server says of a login or database that is not there will be the same in half a minute. */
function refuseWrongLogin(error: unknown): void {
  if (!/^(28|3D000)/.test(sqlStateOf(error) ?? "")) return;
  throw new QuartetError("failed_precondition", `The database refuses this login: ${rootReason(error)}.`, {
    cause: error,
    fix: "Check user, password and database in DATABASE_URL and EVENTS_DATABASE_URL.",
  });
}

async function canReadMain(runtime: OpenRuntime): Promise<boolean> {
  if (runtime.main === undefined) return true;
  const { pool, replay } = runtime.main;
  const answered = replay
    .settle()
    .then(() => pool.query("select 1"))
    .then(() => true);
  return Promise.race([answered, delay(900, false)]).catch(() => false);
}

/** gRPC needs HTTP/2, which Express does not speak: a listener of its own. */
async function openGrpc(runtime: OpenRuntime, port: number, host: string): Promise<AsyncDisposable> {
  const { metrics, domain } = runtime;
  const server = createHttp2Server(countGrpc(metrics.requests, domain, createGrpcHandler(runtime)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const limit = setTimeout(() => {
        for (const session of sessions) session.destroy();
      }, drainMs);
      await closed;
      clearTimeout(limit);
    },
  };
}
