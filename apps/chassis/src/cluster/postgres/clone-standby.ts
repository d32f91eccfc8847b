import type { Dirent } from "node:fs";
import { chown, open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { copyTree } from "./copy-tree.ts";
import { unlessMissing } from "./error-code-of.ts";
import { readMajorVersion } from "./initialise-server.ts";
import { buildFolder } from "./partial-folder.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/**
 * Makes a standby's data directory by copying the primary's, which must not be running. A primary that was killed is
 * fine: the standby replays the same WAL that the primary would.
 */
export async function cloneStandby(
  primaryDir: string,
  standbyDir: string,
  user: UnprivilegedUser | undefined,
): Promise<void> {
  await buildFolder(standbyDir, async (draft) => {
    await copyTree(primaryDir, draft, { owner: user, modeOf });
    const signal = join(draft, "standby.signal");
    await writeFile(signal, "", { mode: 0o600 });
    if (user !== undefined) await chown(signal, user.uid, user.gid);
  });
}

/** Slots stay behind: on the standby they would hold back WAL and row versions with nobody to move them. */
function modeOf(path: string, entry: Dirent): number | undefined {
  if (path.startsWith("pg_replslot/") || path === "postmaster.pid" || path === "postmaster.opts")
    return undefined;
  return entry.isDirectory() ? 0o700 : 0o600;
}

/** Whether a data directory is a standby (not promoted, complete) of this very primary. */
export async function isStandbyOf(primaryDir: string, standbyDir: string): Promise<boolean> {
  const marker = await unlessMissing(stat(join(standbyDir, "standby.signal")));
  if (marker === undefined) return false;
  const versions = await Promise.all([readMajorVersion(primaryDir), readMajorVersion(standbyDir)]);
  const ids = await Promise.all([readSystemId(primaryDir), readSystemId(standbyDir)]);
  return versions[0] === versions[1] && ids[0] !== undefined && ids[0] === ids[1];
}

/** The first field of the control file (PostgreSQL, src/include/catalog/pg_control.h). */
async function readSystemId(dataDir: string): Promise<bigint | undefined> {
  const file = await unlessMissing(open(join(dataDir, "global", "pg_control"), "r"));
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return bytesRead === 8 ? buffer.readBigUInt64LE() : undefined;
  } finally {
    await file.close();
  }
}
