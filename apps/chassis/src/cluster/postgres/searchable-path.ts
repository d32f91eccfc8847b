import { realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/**
 * Whether `user` can reach `path` and read what is there: every parent folder is searchable, and `path` itself is
 * readable (and searchable, when a folder; executable, when `executable` is asked for). `undefined` is the caller, who
 * is not checked. Looks at the permission bits; access lists are not considered.
 */
export async function isReachable(
  path: string,
  user: UnprivilegedUser | undefined,
  executable = false,
): Promise<boolean> {
  if (user === undefined) return true;
  const real = await realpath(path);
  const entry = await stat(real);
  const needed = entry.isDirectory() || executable ? 0o5 : 0o4;
  if (!allows(entry, user, needed)) return false;
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    if (!allows(await stat(folder), user, 0o1)) return false;
    if (folder === dirname(folder)) return true;
  }
}

interface Permissions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The first class that matches decides, also when a later one would allow more (path_resolution(7)). */
function allows(entry: Permissions, user: UnprivilegedUser, bits: number): boolean {
  const shift = entry.uid === user.uid ? 6 : entry.gid === user.gid ? 3 : 0;
  return ((entry.mode >> shift) & bits) === bits;
}
