import { hostname } from "node:os";
import type { Command } from "commander";
import { openListener } from "../edge/listen.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { createGateway, runProbes } from "../gateway/open-gateway.ts";
import { createRoutes } from "../gateway/routes.ts";
import { openRelayAdmin } from "../relay/admin/open-relay-admin.ts";
import { boundHeap } from "../relay/bound-heap.ts";
import { runRelay } from "../relay/run-relay.ts";
import { type Environment, parseEnvironment, type RequiredVariable } from "./environment.ts";
import { loadDomain } from "./load-domain.ts";
import { createLogger } from "./logger.ts";
import { projectOf } from "./project-option.ts";
import { describeDatabase, reportReady } from "./report-ready.ts";
import { aborted, runUntilStopped } from "./run-until-stopped.ts";
import { runStart } from "./start.ts";

/** `start`, `relay`, `gateway`: the processes of a deployment; and `routes`, which shows what the gateway does. */
export function registerServe(program: Command): void {
  program
    .command("start")
    .description("serve the domain, as the class its database login makes it")
    .option("--with-relay", "run the relay of the one database in this process (QUARTET_RELAY_DATABASE_URL)")
    .action(async (options: { withRelay?: boolean }) => {
      const needs: RequiredVariable[] = [];
      // Only a lambda does without a secret, and it is one for want of a database.
      if (process.env["DATABASE_URL"]) needs.push("QUARTET_SECRET");
      if (options.withRelay) needs.push("DATABASE_URL", "QUARTET_RELAY_DATABASE_URL");
      const environment = parseEnvironment(process.env, needs);
      const domain = await loadDomain(projectOf(program));
      const log = createLogger(domain.name, environment.logLevel);
      await runUntilStopped((signal) =>
        runStart(domain, environment, options.withRelay === true, log, signal),
      );
    });
  program
    .command("relay")
    .description("carry events from the outboxes to their subscriptions; several that run share the work")
    .action(() => serveRelay(program));
  program
    .command("gateway")
    .description("route requests to the classes: QUARTET_CRUD_URLS, _MICRO_URLS, _NANO_URLS, _LAMBDA_URLS")
    .action(() => serveGateway(program));
  program
    .command("routes")
    .description("show every method, where the gateway sends it, and why")
    .option("--json", "print one JSON array")
    .action((options: { json?: boolean }) => showRoutes(program, options.json === true));
}

async function serveRelay(program: Command): Promise<void> {
  boundHeap();
  const environment = parseEnvironment(process.env, ["DATABASE_URL", "QUARTET_SECRET", "QUARTET_CRUD_URLS"]);
  const domain = await loadDomain(projectOf(program));
  const { databaseUrl = "", secrets } = environment;
  const eventsDatabaseUrl = environment.eventsDatabaseUrl ?? databaseUrl;
  const logger = createLogger("relay", environment.logLevel);
  await using upstreams = new ClassUpstreams(environment.upstreams);
  await runUntilStopped(async (signal) => {
    const shared = { domain, databaseUrl, eventsDatabaseUrl, secrets, logger };
    await using admin = openRelayAdmin({ ...shared, token: environment.adminToken });
    await using listener = await openListener(admin.handler, environment.port, environment.host);
    const url = environment.relayUrl ?? `http://${hostname()}:${listener.port}`;
    logger.info({ port: listener.port, url }, "relay listens");
    const onActive = () =>
      reportReady({
        kind: "ready",
        class: "relay",
        port: listener.port,
        database: describeDatabase(eventsDatabaseUrl),
        reasons: ["takes its share of the leases"],
      });
    const { observer, onTick } = admin;
    const kept = environment.retention === undefined ? {} : { retention: environment.retention };
    await runRelay({ ...shared, ...kept, upstreams, url, observer, onTick, onActive }, signal);
  });
}

async function serveGateway(program: Command): Promise<void> {
  const environment = parseEnvironment(process.env, ["QUARTET_CRUD_URLS"]);
  const log = createLogger("gateway", environment.logLevel);
  const routes = await openRoutes(program, environment);
  await using upstreams = new ClassUpstreams(environment.upstreams);
  await runUntilStopped(async (signal) => {
    const handler = createGateway(routes, upstreams, log);
    await using listener = await openListener(handler, environment.port, environment.host);
    const probes = runProbes(upstreams, log, signal);
    log.info({ port: listener.port }, "gateway listens");
    reportReady({
      kind: "ready",
      class: "gateway",
      port: listener.port,
      database: "none",
      reasons: ["routes by the protos"],
    });
    await aborted(signal);
    await probes;
  });
}

async function showRoutes(program: Command, json: boolean): Promise<void> {
  const routes = await openRoutes(program, parseEnvironment(process.env));
  const rows = routes.list().map(({ name, bindings, serviceClass, mode, reason }) => ({
    name,
    bindings,
    class: serviceClass,
    mode,
    reason,
  }));
  if (json) {
    console.log(JSON.stringify(rows));
    return;
  }
  for (const row of rows) {
    const to = row.mode === undefined ? row.class : `${row.class} (${row.mode})`;
    console.log(
      `${row.name.padEnd(38)} ${to.padEnd(18)} ${row.bindings.join(", ").padEnd(34)} ${row.reason}`,
    );
  }
}

async function openRoutes(program: Command, environment: Environment) {
  return createRoutes(await loadDomain(projectOf(program)), environment.exceptions);
}
