import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CheckFinding } from "./check-schema.ts";
import { annotateFindings, annotateNotes, describeFinding } from "./describe-findings.ts";
import { lacksGit, openTestProject, type TestProject } from "./test-project.ts";

const lint: CheckFinding = {
  check: "lint",
  file: "notes/v1/notes.proto",
  line: 3,
  column: 9,
  rule: "FIELD_LOWER_SNAKE_CASE",
  message: "Field name is wrong, 100%: x.",
  fix: "change it",
};
const { line: _line, column: _column, ...rest } = lint;
const breaking: CheckFinding = {
  ...rest,
  check: "breaking",
  file: "quartet/v1/operation.proto",
  rule: "FIELD_SAME_TYPE",
  since: "1a2b3c4 (2026-05-01)",
  releases: 3,
};

let project: TestProject;

beforeAll(async () => {
  project = await openTestProject({ "notes/v1/notes.proto": 'syntax = "proto3";\n' });
});
afterAll(() => project[Symbol.asyncDispose]());

describe("describeFinding", () => {
  test("names place, rule and what to do instead", () => {
    expect(describeFinding(lint)).toBe(
      "notes/v1/notes.proto:3:9: FIELD_LOWER_SNAKE_CASE: Field name is wrong, 100%: x.\n    instead: change it",
    );
  });

  test("says since when something was released, and leaves out a place that is not known", () => {
    expect(describeFinding(breaking).split("\n")).toEqual([
      "quartet/v1/operation.proto: FIELD_SAME_TYPE: Field name is wrong, 100%: x.",
      "    released: 1a2b3c4 (2026-05-01) and 2 more",
      "    instead: change it",
    ]);
    expect(describeFinding({ ...breaking, file: "", releases: 1 })).toMatch(
      /^FIELD_SAME_TYPE: [\s\S]*released: 1a2b3c4 \(2026-05-01\)\n/,
    );
  });
});

describe("annotateFindings", () => {
  test("escapes what GitHub would take for its own, and names the file from the top of the project", async () => {
    expect(await annotateFindings(project.project, [lint])).toEqual([
      "::error file=proto/notes/v1/notes.proto,line=3,col=9,title=FIELD_LOWER_SNAKE_CASE::Field name is wrong, 100%25: x.%0AInstead: change it",
    ]);
    expect(annotateNotes(["50%"])).toEqual(["::notice title=quartet check::50%25"]);
  });

  test.skipIf(lacksGit)("names the file from the top of the repository, whatever is below it", async () => {
    await project.write("sub/quartet.config.ts", "");
    await project.git("init", "--quiet");
    const below = { ...project.project, root: `${project.folder}/sub` };
    expect((await annotateFindings(below, [lint]))[0]).toMatch(/^::error file=proto\/notes/);
    await rm(`${project.folder}/.git`, { recursive: true });
  });

  test("gives no file to a finding in a proto of the platform", async () => {
    expect(await annotateFindings(project.project, [breaking])).toEqual([
      "::error title=FIELD_SAME_TYPE::quartet/v1/operation.proto: Field name is wrong, 100%25: x.%0AReleased: 1a2b3c4 (2026-05-01) and 2 more%0AInstead: change it",
    ]);
  });
});
