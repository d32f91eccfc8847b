import { hostname } from "node:os";
import type { Command } from "commander";
import { openListener } from "../edge/listen.ts";
import { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import { fileFlags } from "../flags/file-flags.ts";
import { FlagBook } from "../flags/flag-book.ts";
import { openFlagWatch } from "../flags/watch-flags.ts";
import { createGateway, runProbes } from "../gateway/open-gateway.ts";
import { createRoutes } from "../gateway/routes.ts";
import { gatewayFlagsEveryMs, upstreamFlags } from "../gateway/upstream-flags.ts";
import { openRelayAdmin } from "../relay/admin/open-relay-admin.ts";
import { boundHeap } from "../relay/bound-heap.ts";
import { runRelay } from "../relay/run-relay.ts";
import { parseEnvironment, type RequiredVariable } from "./environment.ts";
import { loadDomain } from "./load-domain.ts";
import { createLogger } from "./logger.ts";
import { projectOf } from "./project-option.ts";
import { describeDatabase, reportReady } from "./report-ready.ts";
import { aborted, runUntilStopped } from "./run-until-stopped.ts";
import { runStart } from "./start.ts";

/** `start`, `relay`, `gateway`: the processes of a deployment. */
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
    const { addressRules } = environment;
    const shared = { domain, databaseUrl, eventsDatabaseUrl, secrets, addressRules, logger };
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
  const domain = await loadDomain(projectOf(program));
  await using upstreams = new ClassUpstreams(environment.upstreams);
  const { flagsFile, exceptions, adminToken } = environment;
  const source = flagsFile === undefined ? upstreamFlags(upstreams) : fileFlags(flagsFile);
  const flags = new FlagBook(domain.methods, source);
  const routes = createRoutes(domain, exceptions, flags);
  await runUntilStopped(async (signal) => {
    await using _watching = await openFlagWatch({ book: flags, log, everyMs: gatewayFlagsEveryMs });
    const handler = createGateway({ routes, flags, adminToken }, upstreams, log, environment.positionCookie);
    await using listener = await openListener(handler, environment.port, environment.host);
    const probes = runProbes(upstreams, log, signal);
    log.info({ port: listener.port }, "gateway listens");
    reportReady({
      kind: "ready",
      class: "gateway",
      port: listener.port,
      database: "none",
      reasons: [`routes by the protos and the flags of ${source.name}`],
    });
    await aborted(signal);
    await probes;
  });
}
