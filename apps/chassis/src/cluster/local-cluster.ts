import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Drift, formatDrift } from "../apply/drift/drift.ts";
import { QuartetError } from "../error/quartet-error.ts";
import type { Project } from "../project/project.ts";
import type { Domain } from "../service/domain.ts";
import { readDevState, writeDevState } from "./dev-state.ts";
import { findFreePort } from "./postgres/free-port.ts";
import { type LocalPostgres, openLocalPostgres } from "./postgres/open-local-postgres.ts";
import { type ClusterServers, checkpointServers, ownerUrls, prepareDatabases } from "./prepare-databases.ts";
import {
  listeningProcesses,
  operatorEnvironment,
  type PlannedProcess,
  planCrud,
  planFull,
  writerEnvironment,
} from "./process-plan.ts";
import { createServerLogFilter } from "./server-log-filter.ts";
import { type ProcessStatus, SupervisedProcess } from "./supervised-process.ts";

/** A whole cluster on this machine. */
export interface LocalCluster extends AsyncDisposable {
  /** What runs where, as it is now. */
  table(): readonly ProcessStatus[];
  /** Starts anew the processes that run handlers, or all of them. Resolves when they are ready. */
  restart(which: "handlers" | "all"): Promise<readonly string[]>;
  /** Brings the databases to the shape the protos have now. In a process of its own: this one has the old code. */
  apply(): Promise<void>;
}

export interface LocalClusterOptions {
  readonly project: Project;
  readonly domain: Domain;
  /** Folder of data, ports and secrets. */
  readonly stateDir: string;
  readonly form: "full" | "crud";
  readonly fresh: boolean;
  /** Servers that are there already; undefined: PostgreSQL from npm. */
  readonly servers: ClusterServers | undefined;
  readonly script: string;
  readonly inherited: Readonly<Record<string, string>>;
  readonly log: (name: string, line: string) => void;
  readonly onProgress: (what: string) => void;
  /** Called whenever the table has changed. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}

const startLimitMs = 45_000;

/** Starts databases and processes, and keeps them running until disposed. Resolves when all of them are ready. */
export async function openLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  await using stack = new AsyncDisposableStack();
  const postgres = options.servers === undefined ? stack.use(await openPostgres(options)) : undefined;
  postgres?.onChange(options.onChange);
  const servers = options.servers ?? serversOf(postgres);
  const state = await readDevState(options.stateDir);
  const ports = await findPorts(options, state.ports);
  await writeDevState(options.stateDir, { ...state, ports });
  options.onProgress("applying the schema");
  const logins = await prepareDatabases(options.domain, servers, state.password, (line) =>
    options.log("apply", line),
  );
  if (postgres !== undefined) await checkpointServers(servers);
  const inputs = { logins, secret: state.secret, ports };
  const plans = options.form === "full" ? planFull(inputs) : planCrud(inputs);
  const environments = { operator: operatorEnvironment(inputs), writer: writerEnvironment(inputs) };
  await writeDevState(options.stateDir, { ...state, ports, ...environments });
  options.onProgress(`starting ${plans.map((plan) => plan.name).join(", ")}`);
  const processes = plans.map((plan) => stack.use(supervise(options, plan)));
  await Promise.all(processes.map((process) => withinLimit(process, process.ready(), options.signal)));
  const owned = stack.move();
  return {
    table: () => [
      ...processes.flatMap((process) => process.status ?? []),
      ...(postgres === undefined ? [] : describePostgres(postgres)),
    ],
    restart: async (which) => {
      const chosen = processes.filter((process) => which === "all" || process.plan.runsHandlers);
      await Promise.all(chosen.map((process) => withinLimit(process, process.restart(), options.signal)));
      return chosen.map((process) => process.plan.name);
    },
    apply: () => applyAnew(options, servers),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function applyAnew(options: LocalClusterOptions, servers: ClusterServers): Promise<void> {
  const owner = ownerUrls(options.domain.name, servers);
  const args = [options.script, "--project", options.project.root, "apply", "--json"];
  const env = { ...options.inherited, DATABASE_URL: owner.main, EVENTS_DATABASE_URL: owner.events };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const [said, faults]: [string[], string[]] = [[], []];
  createInterface({ input: child.stdout }).on("line", (line) => said.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => faults.push(line));
  await once(child, "close");
  const summary = said.map((line) => JSON.parse(line) as ApplySummary).find(({ type }) => type === "summary");
  if (summary === undefined)
    throw new QuartetError("failed_precondition", `The schema could not be applied:\n${faults.join("\n")}`);
  for (const { database, drift } of summary.databases) {
    for (const line of drift.flatMap((found) => formatDrift(database, found))) options.log("apply", line);
  }
}

/** The last line of `quartet apply --json`; without it apply did not come to its end. */
interface ApplySummary {
  readonly type: string;
  readonly databases: readonly { readonly database: string; readonly drift: readonly Drift[] }[];
}

function openPostgres(options: LocalClusterOptions): Promise<LocalPostgres> {
  options.onProgress("starting PostgreSQL");
  const isNoteworthy = createServerLogFilter();
  return openLocalPostgres({
    dataDir: join(options.stateDir, "postgres"),
    topology: options.form === "full" ? "full" : "single",
    fresh: options.fresh,
    log: (server, line) => {
      if (isNoteworthy(server, line)) options.log(server, line);
    },
    signal: options.signal,
  });
}

function serversOf(postgres: LocalPostgres | undefined): ClusterServers {
  if (postgres === undefined) throw new TypeError("no servers");
  return {
    primary: postgres.primary.url("postgres"),
    replica: postgres.replica?.url("postgres"),
    events: postgres.events?.url("postgres"),
  };
}

function supervise(options: LocalClusterOptions, plan: PlannedProcess): SupervisedProcess {
  const { script, inherited, log, onChange, project } = options;
  return new SupervisedProcess(plan, {
    script,
    inherited,
    projectRoot: project.root,
    log,
    onReady: onChange,
  });
}

/** @throws QuartetError with the process' last lines when it does not become ready in time. */
async function withinLimit(
  process: SupervisedProcess,
  ready: Promise<ProcessStatus>,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(startLimitMs)]);
  const expired = new Promise<never>((_resolve, reject) => {
    limit.addEventListener(
      "abort",
      () =>
        reject(
          new QuartetError(
            "unavailable",
            `${process.plan.name} did not start:\n${process.lastLines.join("\n")}`,
          ),
        ),
      { once: true },
    );
  });
  await Promise.race([ready, expired]);
}

/** Remembered ports where they are free, others where not: two checkouts never meet. */
async function findPorts(
  options: LocalClusterOptions,
  remembered: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const ports: Record<string, number> = { ...remembered };
  const taken = new Set<number>();
  for (const name of listeningProcesses[options.form]) {
    const port = await findFreePort(options.stateDir, remembered[name], taken);
    ports[name] = port;
    taken.add(port);
  }
  return ports;
}

function describePostgres(postgres: LocalPostgres): ProcessStatus[] {
  const reasons = {
    primary: "reads and writes",
    replica: "streams from primary",
    events: "outbox of micro, log of relay",
  };
  return [postgres.primary, postgres.replica, postgres.events].flatMap((server) =>
    server === undefined
      ? []
      : [
          {
            name: server.name,
            class: "postgres",
            url: undefined,
            pid: server.pid,
            database: `${server.host}:${server.port}`,
            reasons: [reasons[server.name]],
          },
        ],
  );
}
