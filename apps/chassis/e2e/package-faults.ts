import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, join } from "node:path";

interface Manifest {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** Where the imports and re-exports that a built file begins with end. Comments and compiler helpers may stand between. */
const firstOtherLine = /^(?!import |export (?:type )?[{*]|[\s}/*#]|var __|$)/m;

const importPattern = /^(?:import|export) (?:[\w$*{},\s]+ from )?"([^"]+)";$/gm;

/** What would fail at a user's: files that are not part of a build, and imports that lead nowhere from here. */
export async function findPackageFaults(folder: string): Promise<string[]> {
  const { name, dependencies, peerDependencies }: Manifest = JSON.parse(
    await readFile(join(folder, "package.json"), "utf8"),
  );
  const known = new Set([name, ...Object.keys(dependencies), ...Object.keys(peerDependencies)]);
  const faults: string[] = [];
  for await (const path of glob("{bin,dist}/**/*.*", { cwd: folder })) {
    if (!isBuilt(path)) faults.push(`${path} is published`);
    for (const specifier of await readImports(join(folder, path))) {
      if (!leadsSomewhere(join(folder, path), specifier, known)) faults.push(`${path} imports ${specifier}`);
    }
  }
  return faults;
}

function isBuilt(path: string): boolean {
  return (
    /\.(js|d\.ts|proto)$|^dist[\\/]github[\\/]quartet\.yml$/.test(path) &&
    !/\.test\.|(^|[\\/])test-/.test(path)
  );
}

async function readImports(file: string): Promise<string[]> {
  if (!/\.[jt]s$/.test(file)) return [];
  const [head = ""] = (await readFile(file, "utf8")).split(firstOtherLine, 1);
  return [...head.matchAll(importPattern)].map((match) => match[1] ?? "");
}

function leadsSomewhere(file: string, specifier: string, known: ReadonlySet<string>): boolean {
  if (!specifier.startsWith(".")) return isBuiltin(specifier) || known.has(packageOf(specifier));
  const target = join(dirname(file), specifier);
  return (
    specifier.endsWith(".js") && existsSync(file.endsWith(".d.ts") ? target.replace(/js$/, "d.ts") : target)
  );
}

function packageOf(specifier: string): string {
  const scoped = specifier.startsWith("@");
  return specifier
    .split("/")
    .slice(0, scoped ? 2 : 1)
    .join("/");
}
