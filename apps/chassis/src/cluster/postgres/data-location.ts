import { createHash } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isReachable } from "./searchable-path.ts";
import { openSharedFolder } from "./shared-folder.ts";
import type { UnprivilegedUser } from "./unprivileged-user.ts";

/**
 * The folder for the servers' data directories: `dataDir` itself where PostgreSQL can reach it, else a folder outside
 * of the checkout whose name follows from `dataDir`, so that the next run finds the data again.
 */
export async function openDataLocation(dataDir: string, user: UnprivilegedUser | undefined): Promise<string> {
  if (await isReachable(dataDir, user)) return dataDir;
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  const location = join(await openSharedFolder(user), `data-${name}`);
  await mkdir(location, { recursive: true });
  await chmod(location, 0o755); // whatever the umask; the data directories in it are closed
  return location;
}
