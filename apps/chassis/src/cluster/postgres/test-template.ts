import { join } from "node:path";
import { readClusterState, writeClusterState } from "./cluster-state.ts";
import { copyTree } from "./copy-tree.ts";
import { findUnprivilegedUser } from "./unprivileged-user.ts";

/** Where the data directories are that servers of tests begin with; undefined: each makes its own. */
let templateFolder: string | undefined;

/** Lets servers of tests begin with copies of these data directories, which costs a third of making them. */
export function useServerTemplate(folder: string): void {
  templateFolder = folder;
}

/** Copies the data directories of a topology. `false` when there is no template, so that the server makes its own. */
export async function copyServerTemplate(dataDir: string, topology: "single" | "full"): Promise<boolean> {
  if (templateFolder === undefined) return false;
  const state = await readClusterState(templateFolder);
  if (state === undefined) return false;
  const owner = await findUnprivilegedUser(join(templateFolder, "primary"));
  // The replica is made of its primary, as ever.
  for (const name of topology === "full" ? ["primary", "events"] : ["primary"]) {
    await copyTree(join(templateFolder, name), join(dataDir, name), {
      owner,
      modeOf: (_path, entry) => (entry.isDirectory() ? 0o700 : 0o600),
    });
  }
  await writeClusterState(dataDir, { ...state, ports: {} });
  return true;
}
