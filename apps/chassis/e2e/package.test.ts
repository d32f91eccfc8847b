import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPackageCluster, type PackageCluster } from "./package-cluster.ts";
import { mistakenFile, soundFile } from "./package-columns.ts";
import { findPackageFaults } from "./package-faults.ts";
import { listProcessesOf } from "./package-programs.ts";
import { openPackageProject, type PackageProject } from "./package-project.ts";

/** The tests follow each other, as a newcomer's first hour does: each finds what the one before has left. */
let project: PackageProject;

beforeAll(async () => {
  project = await openPackageProject();
}, 420_000);

afterAll(async () => {
  await project?.[Symbol.asyncDispose]();
});

test("the package holds its build alone, whose imports lead to what is in it or what it depends on", async () => {
  expect(await findPackageFaults(project.installed)).toEqual([]);
});

test("writes no second domain over the first", async () => {
  const { exitCode, stderr } = await project.quartet("init", "other");
  expect(exitCode).toBe(1);
  expect(stderr).toContain("There is a domain in");
});

test("generates the domain's code, and has nothing to do the second time", async () => {
  expect((await project.quartet("generate")).stdout).toMatch(/^generated /);
  expect((await project.quartet("generate")).stdout).toMatch(/is up to date$/m);
});

test("the domain type checks against the declarations, its table's columns included", async () => {
  await writeFile(join(project.folder, "src", "sound.ts"), soundFile);
  expect(await project.typeCheck()).toMatchObject({ exitCode: 0, stdout: "" });
}, 90_000);

test("the compiler finds a wrong table, column, value, write and intent", async () => {
  const file = join(project.folder, "src", "mistaken.ts");
  await writeFile(file, mistakenFile);
  const { exitCode, stdout } = await project.typeCheck();
  await writeFile(file, "");
  expect(exitCode).not.toBe(0);
  const lines = [...stdout.matchAll(/^src\/mistaken\.ts\((\d+),/gm)].map((match) => Number(match[1]));
  expect([...new Set(lines)]).toEqual([4, 5, 6, 7, 8]);
}, 90_000);

test("says where the gateway sends each method", async () => {
  const { exitCode, stdout } = await project.quartet("routes", "--json");
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout).routes).toMatchObject([
    { name: "notes.v1.Notes/GetNote", class: "nano", bindings: ["GET /v1/notes/{note_id}"] },
    { name: "notes.v1.Notes/PutNote", class: "micro", bindings: ["POST /v1/notes"] },
  ]);
});

test("records the schema, passes what does not break it, and names file and line of what does", async () => {
  const proto = join(project.folder, "proto", "notes", "v1", "notes.proto");
  const sound = await readFile(proto, "utf8");
  expect(await project.quartet("check", "--record")).toMatchObject({ exitCode: 0 });
  expect(await project.quartet("check")).toMatchObject({ exitCode: 0 });
  await writeFile(proto, sound.replace("string text = 2;", "string body = 2;"));
  const { exitCode, stderr } = await project.quartet("check");
  await writeFile(proto, sound);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/notes\/v1\/notes\.proto:16:/);
  expect(await project.quartet("check")).toMatchObject({ exitCode: 0 });
}, 120_000);

describe("quartet dev", () => {
  let cluster: PackageCluster;

  beforeAll(async () => {
    cluster = await openPackageCluster(project);
  }, 180_000);

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
  }, 60_000);

  test.for(["crud", "micro", "nano", "lambda"])("the %s process finds what it is", async (serviceClass) => {
    const answer = await fetch(`${cluster.urlOf(serviceClass)}/_quartet/whoami`);
    expect(await answer.json()).toMatchObject({ class: serviceClass, domain: "notes" });
  });

  test("micro serves the command, and nano the query that comes after it", async () => {
    const door = cluster.urlOf("gateway");
    const written = await fetch(`${door}/v1/notes`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ noteId: "first", text: "packed" }),
    });
    expect(await written.json()).toEqual({ noteId: "first", text: "packed" });
    expect(written.headers.get("Quartet-Class")).toBe("micro");
    const read = await fetch(`${door}/v1/notes/first`, {
      headers: { "Quartet-Position": written.headers.get("Quartet-Position") ?? "" },
    });
    expect(await read.json()).toEqual({ noteId: "first", text: "packed" });
    expect(read.headers.get("Quartet-Class")).toBe("nano");
  });

  test("stops when asked, and leaves no process", async () => {
    const pids = cluster.table.map((row) => row.pid);
    expect(await cluster.stop()).toBe(0);
    expect(pids.filter(isRunning)).toEqual([]);
    expect(await listProcessesOf(project.folder)).toEqual([]);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
