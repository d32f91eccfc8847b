import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { pollUntil } from "./poll-until.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { readPostmasterFile } from "./postmaster-file.ts";
import { postgresEnvironment } from "./run-program.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** How a server's process is started. */
export interface PostmasterOptions {
  readonly binaries: PostgresBinaries;
  readonly user: UnprivilegedUser | undefined;
  readonly dataDir: string;
  readonly log: (line: string) => void;
}

/** One postmaster, from its start to its end. */
export interface PostmasterProcess {
  /** 0 when it could not even be started. */
  readonly pid: number;
  /** Its last lines of log, newest last. */
  readonly lastLines: readonly string[];
  /** Resolves when it has ended. */
  readonly exited: Promise<void>;
  hasExited(): boolean;
  kill(signal: NodeJS.Signals): void;
}

const keptLines = 40;

/** Postmasters of this process: when it exits without stopping them, they are at least asked to stop. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGINT");
});

/** Starts a postmaster in a process group of its own, so that a terminal's Ctrl-C reaches the caller only. */
export function startPostmaster(options: PostmasterOptions): PostmasterProcess {
  const child = spawn(options.binaries.postgres, ["-D", options.dataDir], {
    ...(options.user ?? {}),
    cwd: "/",
    env: postgresEnvironment,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lastLines: string[] = [];
  const takeLine = (line: string) => {
    if (lastLines.push(line) > keptLines) lastLines.shift();
    options.log(line);
  };
  const lines = createInterface({ input: child.stderr });
  lines.on("line", takeLine);
  running.add(child);
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    const end = () => {
      ended = true;
      running.delete(child);
      resolve();
    };
    child.once("exit", end);
    child.once("error", (error) => {
      if (child.pid !== undefined) return; // a signal that could not be sent
      takeLine(`could not start ${options.binaries.postgres}: ${error.message}`);
      end();
    });
  });
  return {
    pid: child.pid ?? 0,
    lastLines,
    exited,
    hasExited: () => ended,
    kill: (signal) => void child.kill(signal),
  };
}

/**
 * Waits until the postmaster accepts connections. `false` when it ended before, or the time is over.
 *
 * @throws QuartetError `canceled` when the signal aborts.
 */
export async function waitUntilReady(
  postmaster: PostmasterProcess,
  dataDir: string,
  limits: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const check = async () => {
    if (postmaster.hasExited()) return false;
    const file = await readPostmasterFile(dataDir);
    return file?.pid === postmaster.pid && file.ready ? true : undefined;
  };
  return (await pollUntil(check, { ...limits, intervalMs: 15 })) ?? false;
}
