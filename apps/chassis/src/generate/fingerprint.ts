import { createHash } from "node:crypto";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackageLayout } from "../project/package-layout.ts";

/** SHA-256 over all that generated code depends on: the staged protos and the generator itself. */
export async function fingerprintSources(stage: string, layout: PackageLayout): Promise<string> {
  const hash = createHash("sha256");
  const protos = await Array.fromAsync(glob("**/*.proto", { cwd: stage }));
  for (const path of protos.sort()) {
    hash.update(`${path}\0`).update(await readFile(join(stage, path)));
  }
  hash.update(await readFile(join(layout.root, "package.json")));
  hash.update(await readFile(layout.plugin).catch(() => ""));
  const schema = join(layout.plugin, "..", "..", "schema");
  for (const path of (await Array.fromAsync(glob("*.{ts,js}", { cwd: schema }))).sort()) {
    if (!/\.d\.ts$|\.test\.ts$|^test-/.test(path)) hash.update(await readFile(join(schema, path)));
  }
  return hash.digest("hex");
}
