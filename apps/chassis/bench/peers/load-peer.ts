import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const folder = import.meta.dirname;
const require = createRequire(`${folder}/package.json`);

/** Imports a package of `bench/peers/package.json`, by its name and with the part of its types that is used. */
export async function loadPeer<Module>(name: string): Promise<Module> {
  const module: unknown = await import(pathToFileURL(require.resolve(name)).href);
  return module as Module;
}

/** Whether `npm ci` was run for the lock file as it is. */
export function arePeersInstalled(): boolean {
  return existsSync(`${folder}/node_modules/.package-lock.json`);
}

/** The folder of the peers' package.json. */
export const peersFolder = folder;
