import { execFile } from "node:child_process";
import { rm, symlink, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openTestFolder } from "../cluster/postgres/test-folder.ts";
import { findProject } from "../project/project.ts";
import { checkSchema } from "./check-schema.ts";
import { recordSchema } from "./schema-image.ts";
import { lacksGit, openTestProject, type TestProject } from "./test-project.ts";

const path = "notes/v1/notes.proto";
const proto = (fields: string) => `syntax = "proto3";

package notes.v1;

message Note {
  string id = 1;
  ${fields}
}
`;

let project: TestProject;

beforeEach(async () => {
  project = await openTestProject({ [path]: proto("") });
});
afterEach(() => project[Symbol.asyncDispose]());

/** Changes the proto, records it and commits both; gives the commit. */
async function release(fields: string): Promise<string> {
  await project.write(`proto/${path}`, proto(fields));
  await recordSchema(project.project);
  return project.commit(`release ${fields}`);
}

describe.skipIf(lacksGit)("checkSchema", () => {
  test("without any image says how to make one; the first one has nothing to break", async () => {
    await expect(checkSchema(project.project)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("There is no schema image"),
      fix: expect.stringContaining("quartet check --record"),
    });
    expect(await checkSchema(project.project, { mayBeFirst: true })).toMatchObject({
      findings: [],
      releases: 0,
    });
  });

  test("outside of git compares with the image that is there, and says so", async () => {
    await recordSchema(project.project);
    await project.write(`proto/${path}`, proto("string text = 2;"));
    const report = await checkSchema(project.project);
    expect(report).toMatchObject({ findings: [], releases: 1 });
    expect(report.notes).toEqual([expect.stringMatching(/alone, since .* is in no git work tree\.$/)]);
  });

  test("finds lint and breaks with file and line, and since when it was released", async () => {
    await project.git("init", "--quiet");
    await release("string text = 2;");
    const second = await release("string text = 2;\n  string more = 3;");
    await release("string text = 2;\n  string more = 3;\n  string most = 4;");
    await project.write(`proto/${path}`, proto("string text = 2;\n  int32 more = 3;\n  string MOST = 4;"));
    const { findings, releases, notes } = await checkSchema(project.project);
    expect([releases, notes]).toEqual([3, []]);
    expect(findings).toMatchObject([
      { check: "lint", file: path, line: 9, rule: "FIELD_LOWER_SNAKE_CASE" },
      {
        check: "breaking",
        line: 8,
        rule: "FIELD_SAME_TYPE",
        since: expect.stringContaining(second),
        releases: 2,
      },
      { check: "breaking", line: 9, rule: "FIELD_SAME_JSON_NAME", releases: 1 },
      { check: "breaking", line: 9, rule: "FIELD_SAME_NAME", releases: 1 },
    ]);
  });

  test("remembers what was released and taken back since, and images that are gone", async () => {
    await project.git("init", "--quiet");
    const first = await release("string text = 2;");
    await release('reserved 2;\n  reserved "text";');
    await release(""); // nobody checked
    await rm(project.project.image);
    await project.commit("no image");
    await project.write(`proto/${path}`, proto("int64 number = 2;"));
    const { findings, notes } = await checkSchema(project.project);
    expect(
      findings.map((finding) => [finding.rule, "since" in finding && finding.since.slice(0, 7)]),
    ).toContainEqual(["FIELD_SAME_NAME", first.slice(0, 7)]);
    expect(findings.map(({ rule }) => rule)).toContain("RESERVED_MESSAGE_NO_DELETE");
    expect(notes).toEqual([expect.stringMatching(/schema\.binpb is missing/)]);
  });

  test("sees images of a side branch, whatever the merge made of them", async () => {
    await project.git("init", "--quiet", "--initial-branch=main");
    await release("");
    await project.git("switch", "--quiet", "--create", "side");
    const side = await release("string side = 2;");
    await project.git("switch", "--quiet", "main");
    await project.commit("meanwhile");
    await project.git("merge", "--quiet", "--strategy=ours", "--message=ours", "side");
    await project.write(`proto/${path}`, proto("string other = 2;"));
    const { findings, releases } = await checkSchema(project.project);
    expect(releases).toBe(2);
    expect(findings).toMatchObject([
      { rule: "FIELD_SAME_JSON_NAME" },
      { rule: "FIELD_SAME_NAME", since: expect.stringContaining(side) },
    ]);
  });

  test("takes the image of the working tree for released, and says that it is not committed", async () => {
    await project.git("init", "--quiet");
    await release("");
    await project.write(`proto/${path}`, proto("string text = 2;"));
    await recordSchema(project.project);
    await project.write(`proto/${path}`, proto(""));
    const { findings, notes } = await checkSchema(project.project);
    expect(findings).toMatchObject([{ since: "the working tree" }, { since: "the working tree" }]);
    expect(notes).toEqual([expect.stringMatching(/is not committed as it is/)]);
  });

  test("in a repository without a commit takes the working tree's", async () => {
    await project.git("init", "--quiet");
    await recordSchema(project.project);
    expect(await checkSchema(project.project)).toMatchObject({ releases: 1, findings: [] });
  });

  test("finds protos and image below the repository's top", async () => {
    await project.git("init", "--quiet");
    await project.write("deep/er/quartet.config.ts", "");
    await project.write("deep/er/proto/notes/v1/notes.proto", proto("string text = 2;"));
    const deep = findProject(`${project.folder}/deep/er`);
    await recordSchema(deep);
    await project.commit("deep");
    await rm(deep.image);
    await project.write("deep/er/proto/notes/v1/notes.proto", proto("int32 text = 2;"));
    expect((await checkSchema(deep)).findings).toMatchObject([{ rule: "FIELD_SAME_TYPE", line: 7 }]);
  });

  test("finds the history through a symbolic link to the project", async () => {
    await project.git("init", "--quiet");
    await release("string text = 2;");
    await release("string text = 2;\n  string more = 3;");
    await using elsewhere = await openTestFolder();
    await symlink(`${project.folder}/proto`, `${elsewhere.path}/proto`);
    await writeFile(`${elsewhere.path}/quartet.config.ts`, "");
    expect(await checkSchema(findProject(elsewhere.path))).toMatchObject({ releases: 2, notes: [] });
  });

  test("refuses to look where a hook's variables lead git", async () => {
    await project.git("init", "--quiet");
    await release("string text = 2;");
    vi.stubEnv("GIT_DIR", `${project.folder}/.git`);
    try {
      await expect(checkSchema(project.project)).rejects.toMatchObject({
        code: "failed_precondition",
        fix: expect.stringContaining("env -u GIT_DIR"),
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("refuses a history that is cut off, unless that is accepted", async () => {
    await project.git("init", "--quiet");
    await release("");
    await release("string text = 2;");
    await using clone = await openTestFolder();
    await promisify(execFile)("git", [
      "clone",
      "--quiet",
      "--depth=1",
      `file://${project.folder}`,
      clone.path,
    ]);
    const shallow = findProject(clone.path);
    await expect(checkSchema(shallow)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("cut off"),
      fix: expect.stringContaining("fetch-depth: 0"),
    });
    expect(await checkSchema(shallow, { allowShallow: true })).toMatchObject({ releases: 1, findings: [] });
  });

  test("names the commit whose image cannot be read", async () => {
    await project.git("init", "--quiet");
    await project.write("proto/schema.binpb", "version https://git-lfs.github.com/spec/v1\n");
    const commit = await project.commit("a pointer");
    await release("");
    await expect(checkSchema(project.project)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(
        new RegExp(`schema\\.binpb of commit ${commit} \\(.*\\) is no schema image`),
      ),
    });
  });

  test("compares with a given image alone when one is given", async () => {
    await project.git("init", "--quiet");
    await release("string text = 2;");
    await release("");
    const against = project.project.image;
    expect(await checkSchema(project.project, { against })).toMatchObject({ releases: 1, findings: [] });
    expect((await checkSchema(project.project)).findings).toHaveLength(2);
    await expect(checkSchema(project.project, { against: "nowhere.binpb" })).rejects.toThrow(
      /nowhere\.binpb/,
    );
  });

  test("tells how far it is, and compares each image once", async () => {
    await project.git("init", "--quiet");
    for (const fields of ["", "string a = 2;", "", "string a = 2;"]) await release(fields);
    const told: string[] = [];
    await checkSchema(project.project, { onProgress: (done, of) => told.push(`${done}/${of}`) });
    expect(told).toEqual(["1/2", "2/2"]);
  });

  test("of protos that do not compile names file and line", async () => {
    await project.write(`proto/${path}`, proto("strin text = 2;"));
    await expect(checkSchema(project.project, { mayBeFirst: true })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("notes/v1/notes.proto:7:"),
    });
  });
});
