import { readdir, readFile, readlink } from "node:fs/promises";
import { readCommandLine } from "./process-identity.ts";

/**
 * Ends the backends that outlived a killed postmaster. One that waits notices within milliseconds and ends by itself;
 * one that computes goes on to the end of its query, and no server can start on the data until then. Returns how many.
 *
 * Finds them by their working directory, which is the data directory; on Linux only, elsewhere the start waits.
 */
export async function endOrphanedBackends(dataDir: string): Promise<number> {
  if (process.platform !== "linux") return 0;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => ((await isOrphanOf(pid, dataDir)) ? pid : undefined)),
  );
  const orphans = found.filter((pid) => pid !== undefined);
  for (const pid of orphans) endNow(pid);
  return orphans.length;
}

/** A backend whose parent is no postmaster any more. */
async function isOrphanOf(pid: number, dataDir: string): Promise<boolean> {
  try {
    if ((await readlink(`/proc/${pid}/cwd`)) !== dataDir) return false;
    if (!(await readCommandLine(pid))?.startsWith("postgres: ")) return false;
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const parent = Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]);
    return !(await readCommandLine(parent))?.includes("postgres");
  } catch {
    return false; // gone meanwhile, or another user's
  }
}

/** Nothing is lost by it: the next start recovers from the WAL in any case. */
function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone meanwhile
  }
}
