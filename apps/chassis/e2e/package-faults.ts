import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join, relative } from "node:path";

interface Manifest {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** Of compiled code, where each import and re-export is a statement at the start of a line. */
const importPattern = /^(?:import|export) (?:[\w$*{},\s]+ from )?"([^"]+)";$/gm;

/** What would fail at a user's: files that are not part of a build, and imports that lead nowhere from here. */
export async function findPackageFaults(folder: string): Promise<string[]> {
  const manifest: Manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const known = new Set([
    manifest.name,
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.peerDependencies),
  ]);
  const faults: string[] = [];
  for await (const path of glob("{bin,dist}/**/*.*", { cwd: folder })) {
    if (!/\.(js|d\.ts|proto)$/.test(path) || /\.test\.|(^|\/)test-/.test(path))
      faults.push(`${path} is published`);
    if (path.endsWith(".js") || path.endsWith(".ts"))
      faults.push(...(await findImportFaults(folder, path, known)));
  }
  return faults;
}

/** Imports of one built file. Those of `bin` for a checkout are dynamic, and not looked at. */
async function findImportFaults(folder: string, path: string, known: ReadonlySet<string>): Promise<string[]> {
  const text = await readFile(join(folder, path), "utf8");
  const specifiers = [...text.matchAll(importPattern)].map((match) => match[1] ?? "");
  return specifiers
    .filter((specifier) => {
      if (!specifier.startsWith(".")) return !isBuiltin(specifier) && !known.has(packageOf(specifier));
      const target = join(dirname(join(folder, path)), specifier);
      const file = path.endsWith(".d.ts") ? target.replace(/\.js$/, ".d.ts") : target;
      return !specifier.endsWith(".js") || !existsSync(file);
    })
    .map((specifier) => `${relative(folder, join(folder, path))} imports ${specifier}`);
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
