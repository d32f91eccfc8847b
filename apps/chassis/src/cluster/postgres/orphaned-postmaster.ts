import { rm } from "node:fs/promises";
import { join } from "node:path";
import { QuartetError } from "../../error/quartet-error.ts";
import { errorCodeOf } from "./error-code-of.ts";
import { pollUntil } from "./poll-until.ts";
import { readPostmasterFile } from "./postmaster-file.ts";
import { readCommandLine, readProcessStart } from "./process-identity.ts";

/** What to send, and how long to wait for the end: fast shutdown, immediate shutdown, kill. */
const escalation = [
  ["SIGINT", 5_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
] as const;

/**
 * Stops the postmaster that a killed run left on a data directory. Returns its pid, or `undefined` when there was none.
 * A process that merely has its pid is left alone. The caller holds the data lock.
 *
 * @throws QuartetError `internal` when it does not end.
 */
export async function stopOrphanedPostmaster(dataDir: string): Promise<number | undefined> {
  const pid = (await readPostmasterFile(dataDir))?.pid;
  if (pid === undefined) return undefined;
  if (!(await isPostmasterOf(pid, dataDir))) {
    // PostgreSQL takes any live process with this pid for a postmaster and refuses to start.
    if ((await readProcessStart(pid)) !== undefined)
      await rm(join(dataDir, "postmaster.pid"), { force: true });
    return undefined;
  }
  const start = await readProcessStart(pid);
  const gone = async () => ((await readProcessStart(pid)) === start ? undefined : true);
  for (const [signal, timeoutMs] of escalation) {
    send(pid, signal);
    if (await pollUntil(gone, { timeoutMs, intervalMs: 20 })) return pid;
  }
  throw new QuartetError("internal", `The postmaster ${pid} on ${dataDir} does not stop.`, {
    fix: `kill -9 ${pid}`,
  });
}

/** Ours are started as `postgres -D <directory>`; one started by hand may have more arguments. */
async function isPostmasterOf(pid: number, dataDir: string): Promise<boolean> {
  const line = await readCommandLine(pid);
  return line !== undefined && /postgres/.test(line) && `${line} `.includes(`${dataDir} `);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    if (errorCodeOf(thrown) !== "ESRCH") throw thrown;
  }
}
