import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { arePeersInstalled, peersFolder } from "./load-peer.ts";

/**
 * Installs the peers from npm by their lock file, unless they are there. They are no dependencies of the workspace, so
 * that nobody has them who does not compare.
 *
 * @throws Error when npm fails; its output was logged.
 */
export async function installPeers(log: (line: string) => void): Promise<void> {
  if (arePeersInstalled()) return;
  log("installing the peers from npm (60 MB, once)");
  const npm = spawn("npm", ["ci", "--prefix", peersFolder, "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: peersFolder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [npm.stdout, npm.stderr]) {
    createInterface(stream).on("line", (line) => log(`npm: ${line}`));
  }
  const [code] = await once(npm, "exit");
  if (code !== 0) {
    throw new Error(`npm ci --prefix ${peersFolder} ended with ${code}: the peers cannot be installed here.`);
  }
}
