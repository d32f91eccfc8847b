import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram, runToSuccess } from "./package-programs.ts";

const checkoutLock = fileURLToPath(new URL("../../../package-lock.json", import.meta.url));
const unreachable =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/;
const limitMs = 150_000;

/**
 * Installs a tarball of the chassis into an empty folder, as a user would. Without a network npm cannot tell which
 * versions there are: then those of the checkout are taken, which `npm ci` has left in npm's cache.
 */
export async function installPackage(folder: string, tarball: string): Promise<void> {
  // Named, since npm would take a package.json of a folder above for the project's.
  const install = [
    "install",
    "--prefix",
    folder,
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
  ];
  const { exitCode, stderr } = await runProgram(
    "npm",
    [...install, "--fetch-retries=0", tarball],
    folder,
    limitMs,
  );
  if (exitCode === 0) return;
  if (!unreachable.test(stderr)) throw new Error(`npm install ended with ${exitCode}:\n${stderr}`);
  await lockVersions(folder, tarball);
  await runToSuccess("npm", [...install, "--offline"], folder, limitMs);
}

interface LockEntry {
  readonly dev?: boolean;
  readonly link?: boolean;
}

/** Writes a package.json that depends on the tarball alone, and a lock file with the checkout's versions of the rest. */
async function lockVersions(folder: string, tarball: string): Promise<void> {
  const { packages } = JSON.parse(await readFile(checkoutLock, "utf8")) as {
    packages: Readonly<Record<string, LockEntry>>;
  };
  const resolved = `file:${basename(tarball)}`;
  const root = { dependencies: { "@quartet/chassis": resolved } };
  const installed = Object.entries(packages).filter(
    ([path, entry]) => path.startsWith("node_modules/") && !entry.link && !entry.dev,
  );
  const locked = {
    "": root,
    "node_modules/@quartet/chassis": { ...packages["apps/chassis"], resolved },
    ...Object.fromEntries(installed),
  };
  const lock = { lockfileVersion: 3, requires: true, packages: locked };
  await writeFile(join(folder, "package.json"), JSON.stringify(root));
  await writeFile(join(folder, "package-lock.json"), JSON.stringify(lock));
}
