import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { type ClusterRow, readClusterTable, readSuperuserPassword } from "./cluster-table.ts";

const startLimitMs = 120_000;
const stopPatienceMs = 40_000;
const shopFolder = fileURLToPath(new URL("../..", import.meta.url));
const quartetScript = fileURLToPath(new URL("../../../chassis/bin/quartet.js", import.meta.url));

/** Databases of the shop, by the server they are on. */
const databases = { primary: "shop", replica: "shop", events: "shop_events" } as const;

export type ServerName = keyof typeof databases;

/** A cluster of the demo's own, in a folder of its own. Dispose it to stop every process and remove its data. */
export class DemoCluster implements AsyncDisposable {
  readonly gatewayUrl: string;
  /** Everything its processes print. */
  readonly logPath: string;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #password: string;
  #kept: "nothing" | "log" | "all" = "nothing";

  constructor(folder: string, child: ChildProcess, gatewayUrl: string, password: string) {
    this.#folder = folder;
    this.#child = child;
    this.#password = password;
    this.gatewayUrl = gatewayUrl;
    this.logPath = logPathOf(folder);
  }

  /** Where its data, ports and secrets are. */
  get stateDir(): string {
    return stateDirOf(this.#folder);
  }

  /** The process of that name as it runs now; undefined while it does not. */
  async find(name: string): Promise<ClusterRow | undefined> {
    const table = await readClusterTable(this.stateDir);
    return table?.find((row) => row.name === name);
  }

  /** A connection of the superuser to the shop's database on a server. The caller ends it. */
  async connect(server: ServerName): Promise<Client> {
    const row = await this.find(server);
    if (row === undefined) throw new Error(`The ${server} is not in the table of the cluster.`);
    const { hostname, port } = new URL(`postgres://${row.database}`);
    const client = new Client({
      host: hostname,
      port: Number(port),
      database: databases[server],
      user: "postgres",
      password: this.#password,
      application_name: "shop demo",
      connectionTimeoutMillis: 5_000,
      statement_timeout: 60_000,
    });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  /** What dispose leaves behind. */
  keep(what: "log" | "all"): void {
    if (this.#kept !== "all") this.#kept = what;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stop(this.#child);
    if (this.#kept === "all") return;
    await rm(this.#kept === "log" ? this.stateDir : this.#folder, { recursive: true, force: true });
  }
}

/**
 * Starts a fresh cluster and waits until all of it is ready.
 *
 * @throws Error with the path of its log when it does not start; then nothing of it runs any more.
 */
export async function openDemoCluster(signal: AbortSignal): Promise<DemoCluster> {
  const folder = await openFolder();
  const child = startQuartet(folder);
  try {
    const rows = await readReadyLine(child, AbortSignal.any([signal, AbortSignal.timeout(startLimitMs)]));
    const url = rows.find((row) => row.name === "gateway")?.url;
    if (url === undefined) throw new Error("The cluster has no gateway.");
    return new DemoCluster(folder, child, url, await readSuperuserPassword(stateDirOf(folder)));
  } catch (cause) {
    await stop(child);
    await rm(signal.aborted ? folder : stateDirOf(folder), { recursive: true, force: true });
    signal.throwIfAborted();
    throw new Error(`The cluster did not start; its log is ${logPathOf(folder)}.`, { cause });
  }
}

/** Open enough for PostgreSQL, which does not run as root, to keep its data in it: then nothing is left elsewhere. */
async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "quartet-demo-"));
  await chmod(folder, 0o711);
  return folder;
}

/**
 * In a process group of its own, so that Ctrl-C reaches the demo alone, which then stops the cluster in order; and with
 * a channel, so that the cluster stops by itself when the demo is killed.
 */
function startQuartet(folder: string): ChildProcess {
  const state = stateDirOf(folder);
  const args = ["--project", shopFolder, "dev", "--fresh", "--json", "--no-watch", "--state", state];
  const child = spawn(process.execPath, [quartetScript, ...args], {
    cwd: dirname(dirname(shopFolder)),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  child.stderr?.pipe(createWriteStream(logPathOf(folder), { mode: 0o600 }));
  return child;
}

async function readReadyLine(child: ChildProcess, signal: AbortSignal): Promise<readonly ClusterRow[]> {
  if (child.stdout === null) throw new TypeError("the cluster's output is not piped");
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`It ended with ${code}.`);
  });
  const [line] = (await Promise.race([once(lines, "line", { signal }), ended])) as [string];
  ended.catch(() => undefined);
  return JSON.parse(line) as ClusterRow[];
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), stopPatienceMs);
  await ended;
  clearTimeout(kill);
}

function stateDirOf(folder: string): string {
  return join(folder, "state");
}

function logPathOf(folder: string): string {
  return join(folder, "cluster.log");
}
