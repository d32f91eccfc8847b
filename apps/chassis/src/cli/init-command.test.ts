import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openTestFolder } from "../cluster/postgres/test-folder.ts";
import { findPackageLayout, findWorkflow } from "../project/package-layout.ts";

const script = join(findPackageLayout().root, "bin", "quartet.js");
const workflow = ".github/workflows/quartet.yml";

async function init(folder: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, [script, "--project", folder, "init", "notes"])).stdout;
}

test("writes the gate as a GitHub workflow beside the domain", async () => {
  await using folder = await openTestFolder();
  expect(await init(folder.path)).toContain(`wrote ${workflow}`);
  expect(await readFile(join(folder.path, workflow), "utf8")).toBe(await readFile(findWorkflow(), "utf8"));
});

test("writes no workflow below the top of a repository, where GitHub would not find it", async () => {
  await using folder = await openTestFolder();
  await mkdir(join(folder.path, ".git"));
  await mkdir(join(folder.path, "apps"));
  expect(await init(join(folder.path, "apps"))).not.toContain(workflow);
  expect(existsSync(join(folder.path, "apps", ".github"))).toBe(false);
});
