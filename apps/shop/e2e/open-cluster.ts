import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { listAlive, listDescendants, type RunningProcess } from "./list-processes.ts";
import { pollUntil } from "./poll-until.ts";

/** The `quartet` command, and the shop's folder. */
export const quartetScript = fileURLToPath(new URL("../../chassis/bin/quartet.js", import.meta.url));
export const shopFolder = fileURLToPath(new URL("..", import.meta.url));

export interface ClusterOptions {
  /** Folder of the domain; the shop unless given. */
  readonly project?: string;
  /** Name of the domain: names its databases and logins. */
  readonly domain?: string;
  readonly only?: "crud";
  /** A state folder that is there already; without it a new one, removed in the end. */
  readonly stateDir?: string;
  /** Erase data first; true unless given. */
  readonly fresh?: boolean;
  readonly watch?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** One line of the table that `quartet dev --json` prints. */
export interface ProcessRow {
  readonly name: string;
  readonly class: string;
  readonly url?: string;
  readonly pid: number;
  readonly database: string;
  readonly reasons: readonly string[];
}

export type ServerName = "primary" | "replica" | "events";
export type LoginName = "crud" | "micro" | "micro-events" | "nano" | "relay" | "relay-events";

/** A running `quartet dev`. Disposing stops it with SIGTERM, and fails when a process of it is left. */
export interface Cluster extends AsyncDisposable {
  readonly stateDir: string;
  readonly supervisor: ChildProcess;
  /** The table it printed when it was ready. */
  readonly rows: readonly ProcessRow[];
  /** Where clients go: the gateway, or the monolith. */
  readonly door: string;
  url(name: string): string;
  /** The table as it is now. */
  table(): Promise<readonly ProcessRow[]>;
  pid(name: string): Promise<number>;
  /** Signals a process; returns the pid that got it. */
  kill(name: string, signal?: NodeJS.Signals): Promise<number>;
  /** Resolves when a process runs under another pid than `before`. */
  restarted(name: string, before: number): Promise<number>;
  /** A pool of the superuser on the domain's database of a server. Ended when the cluster is disposed. */
  database(server: ServerName): pg.Pool;
  /** The superuser's URL on a server. */
  ownerUrl(server: ServerName): string;
  /** The URL that a class' process has, or one of its logins on another server. */
  loginUrl(login: LoginName, server?: ServerName): string;
  /** `QUARTET_SECRET` of all its processes. */
  readonly secret: string;
  logs(): string;
  /** Sends SIGINT or SIGTERM and resolves with the exit code once all has ended. */
  stop(signal: "SIGINT" | "SIGTERM"): Promise<number | null>;
}

const startLimitMs = 50_000;
const stopLimitMs = 25_000;

/** Starts `quartet dev` and waits until it is ready. */
export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const stateDir = options.stateDir ?? (await makeStateDir());
  const lines: string[] = [];
  const supervisor = spawnDev(stateDir, options, lines);
  const rows = await readReady(supervisor, lines);
  const [devState, postgres] = await Promise.all([
    readJson<DevState>(join(stateDir, "dev.json")),
    readJson<PostgresState>(join(stateDir, "postgres", "cluster.json")),
  ]);
  const pools = new Map<ServerName, pg.Pool>();
  const domain = options.domain ?? "shop";
  const url = (name: string) => {
    const found = rows.find((row) => row.name === name)?.url;
    if (found === undefined) throw new Error(`${name} does not listen`);
    return found;
  };
  const table = () =>
    pollUntil("cluster.json", () => readJson<readonly ProcessRow[]>(join(stateDir, "cluster.json")));
  const pid = async (name: string) => {
    const row = (await table()).find((candidate) => candidate.name === name);
    if (row === undefined) throw new Error(`${name} does not run`);
    return row.pid;
  };
  const ownerUrl = (server: ServerName) => {
    const database = server === "events" ? `${domain}_events` : domain;
    return `postgres://postgres:${postgres.password}@127.0.0.1:${postgres.ports[server]}/${database}`;
  };
  const loginUrl = (login: LoginName, server: ServerName = homeOf(login)) => {
    const found = new URL(ownerUrl(server));
    found.username = `${domain}_${login.replace("-events", "")}`;
    found.password = devState.password;
    return found.href;
  };
  const stop = async (signal: "SIGINT" | "SIGTERM") => {
    await Promise.all([...pools.values()].map((pool) => pool.end()));
    pools.clear();
    return stopDev(supervisor, signal, lines);
  };
  const cluster: Cluster = {
    stateDir,
    supervisor,
    rows,
    door: url(options.only === "crud" ? "crud" : "gateway"),
    url,
    table,
    pid,
    kill: async (name, signal = "SIGKILL") => {
      const target = await pid(name);
      process.kill(target, signal);
      return target;
    },
    restarted: (name, before) =>
      pollUntil(
        `a new ${name}`,
        async () => {
          const now = await pid(name);
          return now !== before && now;
        },
        30_000,
      ),
    database: (server) => {
      const known = pools.get(server);
      if (known !== undefined) return known;
      const pool = new pg.Pool({ connectionString: ownerUrl(server), max: 4 });
      pool.on("error", () => undefined);
      pools.set(server, pool);
      return pool;
    },
    ownerUrl,
    loginUrl,
    secret: devState.secret,
    logs: () => lines.join("\n"),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop("SIGTERM");
      if (options.stateDir === undefined) await rm(stateDir, { recursive: true, force: true });
    },
  };
  return cluster;
}

/** A new state folder, which PostgreSQL may pass through whatever user it runs as. */
export async function makeStateDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "quartet-e2e-"));
  await chmod(folder, 0o755);
  return folder;
}

/** Starts `quartet dev` without waiting for it; its lines, of both streams, go to `lines`. */
export function spawnDev(stateDir: string, options: ClusterOptions, lines: string[]): ChildProcess {
  const args = [
    ...["--project", options.project ?? shopFolder, "dev", "--json", "--state", stateDir],
    ...(options.fresh === false ? [] : ["--fresh"]),
    ...(options.watch ? [] : ["--no-watch"]),
    ...(options.only === undefined ? [] : ["--only", options.only]),
  ];
  const child = spawn(process.execPath, [quartetScript, ...args], {
    env: { ...baseEnvironment(), ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  return child;
}

/** What a process needs of this one's environment, so that a test never depends on the rest. */
export function baseEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "TMPDIR", "LANG"];
  const inherited = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // The machine of the tests does all at once: a class' budget would hit what is not slow.
  return { QUARTET_STATEMENT_TIMEOUT: "5000", ...Object.fromEntries(inherited) };
}

async function readReady(supervisor: ChildProcess, lines: readonly string[]): Promise<ProcessRow[]> {
  const readyLine = () => lines.find((line) => line.startsWith("[{"));
  await pollUntil("ready", () => readyLine() !== undefined || hasEnded(supervisor), startLimitMs).catch(
    () => supervisor.kill("SIGTERM"), // what it said so far is the better error
  );
  const ready = readyLine();
  if (ready !== undefined) return JSON.parse(ready) as ProcessRow[];
  throw new Error(`quartet dev did not start:\n${lines.slice(-30).join("\n")}`);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function stopDev(
  supervisor: ChildProcess,
  signal: "SIGINT" | "SIGTERM",
  lines: readonly string[],
): Promise<number | null> {
  if (hasEnded(supervisor)) return supervisor.exitCode;
  const family: RunningProcess[] = await listDescendants(supervisor.pid ?? 0);
  const exited = new Promise<number | null>((resolve) => supervisor.once("exit", resolve));
  supervisor.kill(signal);
  const timer = setTimeout(() => supervisor.kill("SIGKILL"), stopLimitMs);
  const code = await exited;
  clearTimeout(timer);
  const left = await listAlive(family);
  if (left.length === 0) return code;
  const named = left.map(({ pid, command }) => `${pid} ${command}`).join("\n");
  throw new Error(`left running after ${signal}:\n${named}\n\n${lines.slice(-30).join("\n")}`);
}

interface DevState {
  readonly secret: string;
  readonly password: string;
}

interface PostgresState {
  readonly password: string;
  readonly ports: Readonly<Record<ServerName, number>>;
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}

function homeOf(login: LoginName): ServerName {
  if (login.endsWith("-events")) return "events";
  return login === "micro" || login === "nano" ? "replica" : "primary";
}
