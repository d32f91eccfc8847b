import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { baseEnvironment, quartetScript, shopFolder } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";

/** A `quartet start` of its own, beside the cluster's. */
export interface StartedProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly reasons: readonly string[];
  logs(): string;
}

/** How a start ended that was refused. */
export interface RefusedStart {
  readonly code: number | null;
  readonly output: string;
}

interface ReadyReport {
  readonly port: number;
  readonly reasons: readonly string[];
}

interface Spawned {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly state: { report?: ReadyReport };
}

/** Starts a process with this environment and nothing else of ours, and waits until it is ready. */
export async function openProcess(
  environment: Readonly<Record<string, string | undefined>>,
  project = shopFolder,
): Promise<StartedProcess> {
  const spawned = spawnStart(environment, project);
  const { child, lines } = spawned;
  const report = await awaitReady(spawned);
  return {
    url: `http://127.0.0.1:${report.port}`,
    pid: child.pid ?? 0,
    reasons: report.reasons,
    logs: () => lines.join("\n"),
    [Symbol.asyncDispose]: async () => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill("SIGTERM")) await exited;
    },
  };
}

async function awaitReady({ child, lines, state }: Spawned): Promise<ReadyReport> {
  const ended = await pollUntil(
    "a started process",
    () => state.report !== undefined || child.exitCode !== null,
  ).catch(() => false);
  if (ended && state.report !== undefined) return state.report;
  child.kill("SIGKILL");
  throw new Error(`it did not start:\n${lines.join("\n")}`);
}

/** Starts a process that is expected to refuse; resolves when it has ended. */
export async function refusedStart(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<RefusedStart> {
  const { child, lines, state } = spawnStart(environment, shopFolder);
  try {
    return await pollUntil("the end of a refused start", () => {
      if (state.report !== undefined) return { code: null, output: "it started" };
      return child.exitCode !== null && { code: child.exitCode, output: lines.join("\n") };
    });
  } finally {
    child.kill("SIGKILL");
  }
}

function spawnStart(environment: Readonly<Record<string, string | undefined>>, project: string): Spawned {
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const child = spawn(process.execPath, [quartetScript, "--project", project, "start"], {
    env: { ...baseEnvironment(), HOST: "127.0.0.1", PORT: "0", ...given },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines: string[] = [];
  const state: Spawned["state"] = {};
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  child.on("message", (message) => {
    state.report = message as ReadyReport;
  });
  return { child, lines, state };
}
