import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { QuartetError } from "../error/quartet-error.ts";
import { findWorkTree } from "../gate/run-git.ts";
import { findWorkflow } from "../project/package-layout.ts";
import { createStarterDomain } from "./starter-domain.ts";

export function registerInit(program: Command): void {
  program
    .command("init <name>")
    .description("write a first domain into this folder: a table, a query, a command. Replaces no file")
    .action(async (name: string) => {
      const { project } = program.opts<{ project: string }>();
      const written = await writeStarter(resolve(project), name);
      for (const path of written) console.log(`wrote ${path}`);
      console.log("\nRun it: npm start");
    });
}

/**
 * @returns paths of what was written
 * @throws QuartetError `already_exists` when there is a domain, `invalid_argument` for a name that can name none.
 */
async function writeStarter(root: string, name: string): Promise<string[]> {
  // Names a proto package and a database schema too.
  if (!/^[a-z][a-z0-9]{0,40}$/.test(name) || ["google", "quartet"].includes(name)) {
    throw new QuartetError("invalid_argument", `"${name}" is no name for a domain.`, {
      fix: "Use a lower-case letter, then letters and digits; google and quartet are taken.",
    });
  }
  if (existsSync(join(root, "quartet.config.ts"))) {
    throw new QuartetError("already_exists", `There is a domain in ${root}.`, {
      fix: "Run quartet init in a folder without a quartet.config.ts.",
    });
  }
  const wanted = { ...createStarterDomain(name), ...(await readWorkflow(root)) };
  const files = Object.entries(wanted).filter(([path]) => !existsSync(join(root, path)));
  for (const [path, text] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  await completeManifest(root, name);
  return [...files.map(([path]) => path), "package.json"];
}

/** The gate as a GitHub workflow, by its path. GitHub finds one at the top of a repository alone. */
async function readWorkflow(root: string): Promise<Readonly<Record<string, string>>> {
  if ((findWorkTree(root) ?? root) !== root) return {};
  return { ".github/workflows/quartet.yml": await readFile(findWorkflow(), "utf8") };
}

/** Adds what is missing. The type is set: Node takes the domain's TypeScript for modules only where it says so. */
async function completeManifest(root: string, name: string): Promise<void> {
  const path = join(root, "package.json");
  const found: Record<string, unknown> = existsSync(path) ? JSON.parse(await readFile(path, "utf8")) : {};
  const scripts = {
    start: "quartet dev",
    generate: "quartet generate",
    check: "quartet check",
    ...(found["scripts"] as Readonly<Record<string, string>> | undefined),
  };
  const manifest = { name, private: true, ...found, type: "module", scripts };
  await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`);
}
