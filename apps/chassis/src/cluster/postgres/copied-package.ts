import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { chmod, lstat, readdir, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { copyTree } from "./copy-tree.ts";
import { unlessMissing } from "./error-code-of.ts";
import type { PostgresPackage } from "./postgres-package.ts";

/**
 * Copies PostgreSQL into the folder `shared`, once per version, and returns the copy's folder. The copy belongs to the
 * caller, so that PostgreSQL cannot change its own programs. Safe when two processes do it at once: each builds its
 * own copy and the first to rename it wins. A copy that lost files (to a cleaner of temporary folders) is replaced.
 */
export async function copyPostgresPackage(found: PostgresPackage, shared: string): Promise<string> {
  const folder = join(shared, `${basename(found.name)}-${found.version}`);
  if (await isComplete(found, folder)) return folder;
  const draft = `${folder}.partial-${randomUUID()}`;
  try {
    await copyTree(found.folder, draft, { owner: undefined, modeOf });
    for (const link of found.links) await linkOnce(basename(link.target), join(draft, link.path));
    await replaceFolder(found, draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

/** Readable for all, whatever the umask at installation; static libraries (a fifth of the files' size) stay behind. */
function modeOf(path: string, entry: Dirent): number | undefined {
  if (path.endsWith(".a")) return undefined;
  return entry.isDirectory() || path.startsWith("bin/") || path.includes(".so") || path.endsWith(".dylib")
    ? 0o755
    : 0o644;
}

async function linkOnce(target: string, path: string): Promise<void> {
  if ((await unlessMissing(lstat(path))) === undefined) await symlink(target, path);
}

const maxReplacements = 20;

/**
 * Puts the draft in the folder's place unless a complete copy is there. A folder is only moved aside once it has stood in
 * the way and was found incomplete, so that copies made at once leave the first of them where its maker uses it.
 */
async function replaceFolder(found: PostgresPackage, draft: string, folder: string): Promise<void> {
  await chmod(draft, 0o755);
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(draft, folder);
      return;
    } catch (thrown) {
      if (await isComplete(found, folder)) return; // another process was first
      if (attempt === maxReplacements) throw thrown;
      await removeAside(folder);
    }
  }
}

async function removeAside(folder: string): Promise<void> {
  const aside = `${folder}.partial-${randomUUID()}`;
  await unlessMissing(rename(folder, aside));
  await rm(aside, { recursive: true, force: true });
}

async function isComplete(found: PostgresPackage, folder: string): Promise<boolean> {
  if ((await unlessMissing(lstat(folder))) === undefined) return false;
  const paths = await readdir(found.folder, { recursive: true, withFileTypes: true });
  const checks = paths
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".a"))
    .map((entry) => join(entry.parentPath, entry.name).slice(found.folder.length + 1))
    .map((path) => hasSameSize(join(found.folder, path), join(folder, path)));
  const links = found.links.map((link) => unlessMissing(lstat(join(folder, link.path))));
  return (await Promise.all(checks)).every(Boolean) && !(await Promise.all(links)).includes(undefined);
}

async function hasSameSize(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([lstat(one), unlessMissing(lstat(other))]);
  return first.size === second?.size;
}
