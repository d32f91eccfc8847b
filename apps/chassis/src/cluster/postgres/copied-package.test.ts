import { cp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyPostgresPackage } from "./copied-package.ts";
import { findPostgresPackage } from "./postgres-package.ts";
import { runProgram } from "./run-program.ts";
import { openTestFolder } from "./test-folder.ts";
import { findUnprivilegedUser } from "./unprivileged-user.ts";

async function runVersion(folder: string): Promise<string> {
  const user = await findUnprivilegedUser("/nonexistent");
  return await runProgram(join(folder, "bin", "postgres"), ["--version"], { user, timeoutMs: 20_000 });
}

test("copies made at once are one complete copy", { timeout: 60_000 }, async () => {
  await using shared = await openTestFolder();
  const found = await findPostgresPackage();
  const folders = await Promise.all([1, 2, 3].map(() => copyPostgresPackage(found, shared.path)));
  expect(new Set(folders).size).toBe(1);
  expect(await readdir(shared.path)).toHaveLength(1);
  expect(await runVersion(folders[0] ?? "")).toMatch(/PostgreSQL/);
});

test("a copy is made once, and again when files of it are gone", { timeout: 60_000 }, async () => {
  await using shared = await openTestFolder();
  const found = await findPostgresPackage();
  const folder = await copyPostgresPackage(found, shared.path);
  const made = await stat(folder);
  expect((await stat(await copyPostgresPackage(found, shared.path))).ino).toBe(made.ino);
  await rm(join(folder, "share", "postgresql", "postgres.bki"));
  expect((await stat(await copyPostgresPackage(found, shared.path))).ino).not.toBe(made.ino);
  expect(await readdir(join(folder, "share", "postgresql"))).toContain("postgres.bki");
});

test("a copy has the links that the install script would have made", { timeout: 60_000 }, async () => {
  await using folder = await openTestFolder();
  const found = await findPostgresPackage();
  const bare = join(folder.path, "bare");
  const links = new Set(found.links.map((link) => join(found.folder, link.path)));
  await cp(found.folder, bare, { recursive: true, filter: (source) => !links.has(source) });
  const copy = await copyPostgresPackage({ ...found, folder: bare, linked: false }, folder.path);
  expect(await runVersion(copy)).toMatch(/PostgreSQL/);
});
