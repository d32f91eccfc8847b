import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { cleanEnvironment } from "./package-programs.ts";
import type { PackageProject } from "./package-project.ts";

/** A line of what `quartet dev --json` prints. */
export interface ClusterRow {
  readonly name: string;
  readonly class: string;
  readonly url?: string;
  readonly pid: number;
}

/** `quartet dev` of the installed package. */
export interface PackageCluster extends AsyncDisposable {
  readonly table: readonly ClusterRow[];
  urlOf(name: string): string;
  /** Stops it as an init system would. Resolves with its exit code. */
  stop(): Promise<number | null>;
}

const startLimitMs = 120_000;
const stopLimitMs = 45_000;

/** Starts the whole cluster of the project's domain on fresh data; resolves when all of it is ready. */
export async function openPackageCluster(project: PackageProject): Promise<PackageCluster> {
  const child = spawn(project.command, ["dev", "--json", "--no-watch", "--fresh"], {
    cwd: project.folder,
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const log: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const stop = async () => {
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), stopLimitMs);
    const code = await ended;
    clearTimeout(kill);
    return code;
  };
  try {
    const started = once(createInterface({ input: child.stdout }), "line", {
      signal: AbortSignal.timeout(startLimitMs),
    });
    const first = await Promise.race([started, ended]);
    if (!Array.isArray(first)) throw new Error(`quartet dev ended with ${first}`);
    const table: readonly ClusterRow[] = JSON.parse(String(first[0]));
    return {
      table,
      urlOf: (name) => urlOf(table, name),
      stop,
      [Symbol.asyncDispose]: () => stop().then(() => undefined),
    };
  } catch (cause) {
    await stop();
    throw new Error(`quartet dev did not start:\n${log.join("\n")}`, { cause });
  }
}

function urlOf(table: readonly ClusterRow[], name: string): string {
  const url = table.find((row) => row.name === name)?.url;
  if (url === undefined) throw new Error(`${name} does not listen`);
  return url;
}
