import { randomUUID } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { LocalServerName } from "./local-server.ts";

const marker = ".partial-";

/**
 * Lets `build` make a folder under another name and gives it its own name when it is complete: whoever is killed
 * meanwhile leaves no half-made folder at `path`.
 */
export async function buildFolder(path: string, build: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${path}${marker}${randomUUID()}`;
  try {
    await build(draft);
    await rename(draft, path);
  } catch (thrown) {
    await removeFolder(draft);
    throw thrown;
  }
}

/** Removes what interrupted runs left. An initdb that still writes there fails and ends; leftovers go the next time. */
export async function removePartialFolders(location: string): Promise<void> {
  const names = (await readdir(location)).filter((name) => name.includes(marker));
  await Promise.allSettled(names.map((name) => removeFolder(join(location, name))));
}

/** Removes a data directory such that an interruption leaves a partial folder, never half a data directory. */
export async function removeDataDirectory(location: string, name: LocalServerName): Promise<void> {
  const aside = join(location, `${name}${marker}${randomUUID()}`);
  await rename(join(location, name), aside).catch(() => undefined);
  await removeFolder(aside);
}

async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
