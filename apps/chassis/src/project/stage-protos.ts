import type { Dirent } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ProtoRoot } from "./package-layout.ts";

/** What a module tree for buf is made of: the domain's own protos, and those it may import. */
export interface Staging {
  readonly protos: string;
  readonly imports: readonly ProtoRoot[];
}

/** Staged protos. Disposing removes the folder. */
export interface Stage extends AsyncDisposable {
  readonly folder: string;
  /** Top folders of the domain itself, such as `["shop"]`: those that code is generated for. */
  readonly own: readonly string[];
}

/**
 * Copies protos into one folder that buf can read as one module. Buf refuses module paths outside its workspace, and
 * a domain's imports lie wherever its package manager put them. The folder is new: runs at once do not meet.
 *
 * @param parent folder to make it in
 */
export async function openStage(staging: Staging, parent: string): Promise<Stage> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "stage-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const own = await stageProtos(staging, folder);
    return { folder, own, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function stageProtos(staging: Staging, into: string): Promise<readonly string[]> {
  const imported = new Set<string>();
  for (const { root, only } of staging.imports) {
    for (const path of only) {
      await cp(join(root, path), join(into, path), { recursive: true, filter: isProtoOrFolder });
      imported.add(path.split("/")[0] ?? path);
    }
  }
  const own = (await readFolder(staging.protos)).filter(
    (entry) => entry.isDirectory() && !imported.has(entry.name),
  );
  for (const entry of own) {
    await cp(join(staging.protos, entry.name), join(into, entry.name), {
      recursive: true,
      filter: isProtoOrFolder,
    });
  }
  return own.map((entry) => entry.name).sort();
}

/** The entries of a folder; none when it is missing. */
async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

function isProtoOrFolder(path: string): boolean {
  return path.endsWith(".proto") || !/\.[a-z]+$/i.test(path);
}
