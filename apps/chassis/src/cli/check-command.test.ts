import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacksGit, openTestProject, type TestProject } from "../gate/test-project.ts";
import { findPackageLayout } from "../project/package-layout.ts";

const proto = (fields: string) => `syntax = "proto3";

package notes.v1;

message Note {
  string id = 1;
  ${fields}
}
`;
const script = join(findPackageLayout().root, "bin", "quartet.js");

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

let project: TestProject;

beforeAll(async () => {
  project = await openTestProject({ "notes/v1/notes.proto": proto("string text = 2;") });
  // Enough of a domain: that it loads is what the command asks for.
  await project.write("quartet.config.ts", "export default { methods: new Map(), registry: {} };\n");
  await project.write("package.json", '{"type": "module"}\n');
});
afterAll(() => project[Symbol.asyncDispose]());

async function check(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, "--project", project.folder, "check", ...args],
      { timeout: 60_000 },
      (error, stdout, stderr) => resolve({ exitCode: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

/** The tests follow each other, as releases do. */
describe.skipIf(lacksGit)("quartet check", () => {
  test("without an image ends with 2 and says how to make one", async () => {
    const { exitCode, stderr } = await check();
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/There is no schema image at [\s\S]*quartet check --record/);
  });

  test("records the first image, and finds nothing against it", async () => {
    await project.git("init", "--quiet");
    expect(await check("--record")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("recorded "),
    });
    await project.commit("first release");
    expect(await check()).toEqual({
      exitCode: 0,
      stdout: "the schema is sound: nothing breaks of 1 released schema\n",
      stderr: "",
    });
    expect(await check("--json")).toMatchObject({ exitCode: 0, stdout: "[]\n" });
  });

  test("ends with 1 for a break, in text, JSON and annotations, and records none", async () => {
    await project.write("proto/notes/v1/notes.proto", proto("int32 text = 2;"));
    const text = await check();
    expect(text).toMatchObject({ exitCode: 1, stdout: "" });
    expect(text.stderr).toMatch(
      /^notes\/v1\/notes\.proto:7:3: FIELD_SAME_TYPE: .*\n {4}released: .*\n {4}instead: /,
    );
    const json = await check("--json");
    expect(json).toMatchObject({ exitCode: 1, stderr: "" });
    expect(JSON.parse(json.stdout)).toMatchObject([
      { check: "breaking", file: "notes/v1/notes.proto", line: 7, rule: "FIELD_SAME_TYPE", releases: 1 },
    ]);
    const { stdout, exitCode } = await check("--format", "github");
    expect([exitCode, stdout]).toEqual([
      1,
      expect.stringMatching(
        /^::error file=proto\/notes\/v1\/notes\.proto,line=7,col=3,title=FIELD_SAME_TYPE::/,
      ),
    ]);
    expect(await check("--record")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("nothing was recorded"),
    });
    expect(await project.git("status", "--porcelain", "--", "proto/schema.binpb")).toBe("");
  });

  test("takes a given image for all that was released", async () => {
    await project.write("proto/notes/v1/notes.proto", proto(""));
    await rm(join(project.folder, "proto/schema.binpb"));
    expect((await check()).exitCode).toBe(1);
    await project.write("proto/notes/v1/notes.proto", proto("string text = 2;"));
    expect(await check()).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("is missing") });
    await project.git("checkout", "--", "proto/schema.binpb");
    const image = join(project.folder, "proto/schema.binpb");
    expect(await check("--against", image)).toMatchObject({ exitCode: 0 });
    expect(await check("--against", "nowhere.binpb")).toMatchObject({ exitCode: 2 });
  });

  test("of a domain that cannot be loaded ends with 2, not with the 1 of findings", async () => {
    await project.write("quartet.config.ts", "throw new TypeError('not today');\n");
    const { exitCode, stderr } = await check();
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(/quartet\.config\.ts cannot be loaded: .*not today/),
    ]);
  });

  test("refuses a format that there is not", async () => {
    expect(await check("--format", "xml")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("none of text, json, github"),
    });
  });
});
