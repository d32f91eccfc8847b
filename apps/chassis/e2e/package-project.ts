import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackage } from "./package-install.ts";
import { type Ended, runProgram, runToSuccess } from "./package-programs.ts";

const chassis = fileURLToPath(new URL("..", import.meta.url));

/** A folder outside of the checkout with the packed chassis installed and a small domain written. */
export interface PackageProject extends AsyncDisposable {
  readonly folder: string;
  /** The `quartet` command as npm linked it. */
  readonly command: string;
  /** The installed package. */
  readonly installed: string;
  quartet(...args: readonly string[]): Promise<Ended>;
  /** Type checks the domain with the checkout's compiler and the domain's own strict settings. */
  typeCheck(): Promise<Ended>;
}

/** Builds and packs the chassis, installs the tarball without any development dependency, and writes the domain. */
export async function openPackageProject(): Promise<PackageProject> {
  const folder = await mkdtemp(join(tmpdir(), "quartet-package-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755); // PostgreSQL runs as somebody else when this is root, and keeps its data here.
  await runToSuccess("npm", ["pack", "--silent", "--pack-destination", folder], chassis, 60_000);
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack made no tarball");
  await installPackage(folder, join(folder, tarball));
  const command = join(folder, "node_modules", ".bin", "quartet");
  await runToSuccess(command, ["init", "notes"], folder, 30_000);
  const owned = stack.move();
  return {
    folder,
    command,
    installed: join(folder, "node_modules", "@quartet", "chassis"),
    quartet: (...args) => runProgram(command, args, folder, 30_000),
    typeCheck: () =>
      runProgram(
        process.execPath,
        [findCompiler(), "-p", folder, "--skipLibCheck", "false", "--pretty", "false"],
        folder,
        60_000,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function findCompiler(): string {
  return join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
}
