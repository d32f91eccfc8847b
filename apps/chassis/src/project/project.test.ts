import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openTestFolder } from "../cluster/postgres/test-folder.ts";
import { findProject } from "./project.ts";

/** Writes files into a folder, by their paths. */
async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

describe("findProject", () => {
  test("finds the nearest config upward, with the defaults", async () => {
    await using folder = await openTestFolder();
    await write(folder.path, { "quartet.config.ts": "", "src/deep/x.ts": "", "package.json": "{}" });
    expect(findProject(join(folder.path, "src", "deep"))).toEqual({
      root: folder.path,
      config: join(folder.path, "quartet.config.ts"),
      protos: join(folder.path, "proto"),
      generated: join(folder.path, "src/gen"),
      image: join(folder.path, "proto/schema.binpb"),
      stateDir: join(folder.path, ".quartet"),
    });
  });

  test("prefers the nearer of two, takes a .js one, and needs no package.json", async () => {
    await using folder = await openTestFolder();
    await write(folder.path, { "quartet.config.ts": "", "inner/quartet.config.js": "" });
    const inner = join(folder.path, "inner");
    expect(findProject(inner)).toMatchObject({ root: inner, config: join(inner, "quartet.config.js") });
  });

  test("reads its paths from package.json, relative to it", async () => {
    await using folder = await openTestFolder();
    const quartet = { protos: "../protos", generated: "gen", image: "schema.binpb" };
    await write(folder.path, { "a/quartet.config.ts": "", "a/package.json": JSON.stringify({ quartet }) });
    expect(findProject(join(folder.path, "a"))).toMatchObject({
      protos: join(folder.path, "protos"),
      generated: join(folder.path, "a/gen"),
      image: join(folder.path, "a/schema.binpb"),
    });
  });

  test("without any config says where it looked and what to do", async () => {
    await using folder = await openTestFolder();
    expect(() => findProject(folder.path)).toThrow(
      expect.objectContaining({
        code: "failed_precondition",
        message: expect.stringContaining(folder.path),
        fix: expect.stringContaining("--project"),
      }),
    );
  });

  test.each([
    ["no JSON", "{", "package.json cannot be read"],
    ["a number for a path", '{"quartet": {"protos": 5}}', '"quartet.protos" is not a path'],
  ])("names the package.json that holds %s", async (_, text, message) => {
    await using folder = await openTestFolder();
    await write(folder.path, { "quartet.config.ts": "", "package.json": text });
    expect(() => findProject(folder.path)).toThrow(
      expect.objectContaining({ code: "failed_precondition", message: expect.stringContaining(message) }),
    );
    expect(() => findProject(folder.path)).toThrow(join(folder.path, "package.json"));
  });
});
