import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "./error-code-of.ts";

/** What a postmaster tells about itself in `postmaster.pid`. */
export interface PostmasterFile {
  readonly pid: number;
  /** Accepts connections, for a hot standby as well. */
  readonly ready: boolean;
}

/**
 * Reads the lock file of a data directory (its lines: PostgreSQL, src/include/utils/pidfile.h). `undefined` when there
 * is none or it is not complete yet. The file of a killed postmaster stays behind: compare the pid.
 */
export async function readPostmasterFile(dataDir: string): Promise<PostmasterFile | undefined> {
  const text = await unlessMissing(readFile(join(dataDir, "postmaster.pid"), "utf8"));
  const lines = text?.split("\n") ?? [];
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, ready: lines[7]?.trim() === "ready" };
}
