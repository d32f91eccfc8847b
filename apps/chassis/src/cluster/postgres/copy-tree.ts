import { constants, type Dirent } from "node:fs";
import { chmod, chown, copyFile, mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "./error-code-of.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/** What to copy, and who gets the copy. */
export interface CopyTreeOptions {
  readonly owner: UnprivilegedUser | undefined;
  /** Permission bits of an entry in the copy; `undefined` leaves it out. `path` is relative to the root, with `/`. */
  readonly modeOf: (path: string, entry: Dirent) => number | undefined;
}

/** Copies at once; more only queue up in the file system's thread pool. */
const parallelFiles = 8;

/**
 * Copies a folder with all that is in it; `to` must not exist. Cloned blocks are used where the file system has them.
 * Files that vanish meanwhile are left out.
 */
export async function copyTree(from: string, to: string, options: CopyTreeOptions): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  await own(to, options.owner);
  await copyEntries(from, to, "", options);
}

async function copyEntries(
  from: string,
  to: string,
  prefix: string,
  options: CopyTreeOptions,
): Promise<void> {
  const entries = (await unlessMissing(readdir(join(from, prefix), { withFileTypes: true }))) ?? [];
  const queue = entries.values();
  const worker = async () => {
    for (const entry of queue) await copyEntry(from, to, prefix + entry.name, entry, options);
  };
  await Promise.all(Array.from({ length: parallelFiles }, worker));
}

async function copyEntry(from: string, to: string, path: string, entry: Dirent, options: CopyTreeOptions) {
  const mode = options.modeOf(path, entry);
  if (mode === undefined) return;
  const [source, target] = [join(from, path), join(to, path)];
  if (entry.isSymbolicLink()) return await symlink(await readlink(source), target);
  if (entry.isDirectory()) {
    await mkdir(target);
    await copyEntries(from, to, `${path}/`, options);
  } else {
    const copied = copyFile(source, target, constants.COPYFILE_FICLONE).then(() => true);
    if ((await unlessMissing(copied)) === undefined) return;
  }
  await chmod(target, mode);
  await own(target, options.owner);
}

async function own(path: string, owner: UnprivilegedUser | undefined): Promise<void> {
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}
