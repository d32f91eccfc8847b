import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openLocalPostgres } from "./open-local-postgres.ts";
import { openTestFolder } from "./test-folder.ts";

/**
 * Makes the data directories that servers of tests begin with, once per run. They are not flushed: what tests kill is
 * servers and processes, never the machine, and a server that was killed finds in the system's cache what it wrote.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await openTestFolder();
  const postgres = await openLocalPostgres({
    dataDir: folder.path,
    topology: "full",
    fresh: true,
    log: () => undefined,
  });
  await postgres[Symbol.asyncDispose]();
  for (const name of ["primary", "events"]) {
    await appendFile(join(folder.path, name, "postgresql.auto.conf"), "fsync = off\n");
  }
  project.provide("serverTemplate", folder.path);
  return async () => await folder[Symbol.asyncDispose]();
}
