import { spawn } from "node:child_process";
import { cp, glob, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { generateChassisCode } from "../src/generate/generate.ts";
import { findPackageLayout, findWorkflow } from "../src/project/package-layout.ts";

/**
 * Builds the package into `dist`: JavaScript and declarations of what its entry points reach, the protos that a
 * domain may import, and the workflow that it may begin with. `dist` is replaced as a whole at the end, so a failed build leaves the last good one.
 */
async function build(): Promise<void> {
  const layout = findPackageLayout();
  const next = join(layout.root, ".quartet", "dist");
  const dist = join(layout.root, "dist");
  await generateChassisCode();
  await rm(next, { recursive: true, force: true });
  await compile(layout.root, next);
  await nameBuiltFiles(next);
  for (const { root, only } of layout.protoRoots) {
    for (const path of only) await cp(join(root, path), join(next, "proto", path), { recursive: true });
  }
  await cp(findWorkflow(), join(next, "github", "quartet.yml"));
  await rm(dist, { recursive: true, force: true });
  await rename(next, dist);
}

async function compile(root: string, outDir: string): Promise<void> {
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const tsc = join(dirname(manifest), "bin", "tsc");
  const child = spawn(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", outDir], {
    stdio: "inherit",
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`tsc ended with ${code}`);
}

/**
 * TypeScript rewrites `./a.ts` to `./a.js` in JavaScript alone; in declarations the name stays, of a file that is not
 * published. TypeScript finds the declaration all the same, other tools do not.
 */
async function nameBuiltFiles(folder: string): Promise<void> {
  for await (const path of glob("**/*.d.ts", { cwd: folder })) {
    const file = join(folder, path);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll(/(\bfrom |\bimport\(|^import )"(\.[^"\n]*)\.ts"/gm, '$1"$2.js"'));
  }
}

await build();
