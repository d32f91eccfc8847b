import { QuartetError } from "../../error/quartet-error.ts";
import { endOrphanedBackends } from "./orphaned-backends.ts";
import { pause } from "./pause.ts";
import {
  type PostmasterOptions,
  type PostmasterProcess,
  startPostmaster,
  waitUntilReady,
} from "./postmaster-process.ts";
import { stopPostmaster } from "./stop-postmaster.ts";

/** A postmaster that is kept running. */
export interface SupervisedPostmaster extends AsyncDisposable {
  readonly pid: number;
}

/** What supervision needs besides. */
export interface SuperviseOptions extends PostmasterOptions {
  /** Called each time the server accepts connections again after it ended unasked. */
  readonly onRestart: () => void;
  readonly signal?: AbortSignal | undefined;
}

const firstBackoffMs = 50;
const maxBackoffMs = 2_000;

/** Recovery after a crash may replay a gigabyte of WAL. */
const startTimeoutMs = 60_000;

/**
 * Starts a postmaster and keeps it running until disposed:
 *
 * - `starting`: ready → `running`; ends → `waiting` (at the first start: see below); disposed → `stopping`
 * - `running`: ends unasked → `waiting`; disposed → `stopping`
 * - `waiting` (50 ms, doubled up to 2 s, from the start again once it was running): → `starting`; disposed → `stopped`
 * - `stopping`: ends → `stopped`
 *
 * Resolves when it accepts connections; with `"port-taken"` when another process has its port at the first start.
 *
 * @throws QuartetError `unavailable`, with the server's last lines, when the first start fails; `canceled`.
 */
export async function openPostmaster(
  options: SuperviseOptions,
): Promise<SupervisedPostmaster | "port-taken"> {
  const first = await startFirst(options);
  return first === "port-taken" ? first : supervise(first, options);
}

/** Backends of a killed postmaster hold its shared memory for some milliseconds: only that is worth another attempt. */
async function startFirst(options: SuperviseOptions): Promise<PostmasterProcess | "port-taken"> {
  const end = performance.now() + startTimeoutMs;
  for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, maxBackoffMs)) {
    await endOrphanedBackends(options.dataDir);
    const postmaster = startPostmaster(options);
    try {
      const limits = { timeoutMs: startTimeoutMs, signal: options.signal };
      if (await waitUntilReady(postmaster, options.dataDir, limits)) return postmaster;
    } catch (thrown) {
      await stopPostmaster(postmaster);
      throw thrown;
    }
    await stopPostmaster(postmaster);
    await pause(50); // the last lines may still be in the pipe when the process has ended
    const said = postmaster.lastLines.join("\n");
    if (/could not bind IPv4 address/.test(said)) return "port-taken";
    const inUse = /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said);
    if (!inUse || performance.now() > end) {
      throw new QuartetError("unavailable", `PostgreSQL did not start on ${options.dataDir}:\n${said}`);
    }
    await pause(backoffMs, options.signal);
  }
}

function supervise(first: PostmasterProcess, options: SuperviseOptions): SupervisedPostmaster {
  const stopping = new AbortController();
  let current = first;
  const tryStart = async (): Promise<boolean> => {
    try {
      await endOrphanedBackends(options.dataDir);
      current = startPostmaster(options);
      // Not bounded: a server in recovery is at work, and one that hangs is no better off when killed.
      const limits = { timeoutMs: Number.POSITIVE_INFINITY, signal: stopping.signal };
      return await waitUntilReady(current, options.dataDir, limits);
    } catch (thrown) {
      if (stopping.signal.aborted) return false;
      options.log(`supervision: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      await stopPostmaster(current);
      return false;
    }
  };
  const restart = async () => {
    for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, maxBackoffMs)) {
      await pause(backoffMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return;
      if (await tryStart()) return options.onRestart();
    }
  };
  const keepRunning = async () => {
    while (!stopping.signal.aborted) {
      await current.exited;
      if (!stopping.signal.aborted) await restart();
    }
  };
  const supervision = keepRunning();
  supervision.catch(() => undefined); // reported when disposed
  return {
    get pid() {
      return current.pid;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await stopPostmaster(current);
      await supervision;
      if (!current.hasExited()) await stopPostmaster(current); // started in the moment of stopping
    },
  };
}
