import { createHash } from "node:crypto";
import { glob, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { PackageLayout } from "../project/package-layout.ts";

/** SHA-256 over all that generated code depends on: the staged protos and the generators themselves. */
export async function fingerprintSources(stage: string, layout: PackageLayout): Promise<string> {
  const hash = createHash("sha256");
  const protos = await Array.fromAsync(glob("**/*.proto", { cwd: stage }));
  for (const path of protos.sort()) {
    hash.update(`${path}\0`).update(await readFile(join(stage, path)));
  }
  hash.update(await readFile(join(layout.root, "package.json")));
  const manifest = createRequire(import.meta.url).resolve("@bufbuild/protoc-gen-es/package.json");
  hash.update(await readFile(manifest));
  for (const path of await findGeneratorSources(layout)) hash.update(await readFile(path));
  return hash.digest("hex");
}

/** The folders of the plugin and of what it reads tables with. */
async function findGeneratorSources(layout: PackageLayout): Promise<readonly string[]> {
  const sources = dirname(dirname(layout.plugin));
  const paths = await Array.fromAsync(glob("{generate,schema}/**/*.{ts,js}", { cwd: sources }));
  return paths
    .filter((path) => !/\.d\.ts$|\.test\.ts$|[\\/]test-/.test(path))
    .sort()
    .map((path) => join(sources, path));
}
