import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestFolder, type TestFolder } from "../cluster/postgres/test-folder.ts";
import type { QuartetError } from "../error/quartet-error.ts";
import { findPackageLayout } from "../project/package-layout.ts";
import { findProject, type Project } from "../project/project.ts";
import { generateCode } from "./generate.ts";
import { faultyIndexes } from "./test-faulty-indexes.ts";
import { faultyNames } from "./test-faulty-names.ts";
import { writeFaultyProto } from "./test-faulty-proto.ts";
import { faultyRows } from "./test-faulty-rows.ts";

const protos = [...faultyNames, ...faultyIndexes, ...faultyRows].map((proto) => ({
  title: proto.title,
  ...writeFaultyProto(proto),
}));
let folder: TestFolder;
let project: Project;
let error: QuartetError;

const sound = 'syntax = "proto3";\npackage sound.v1;\nmessage Sound {}\n';

beforeAll(async () => {
  folder = await openTestFolder();
  await writeFile(join(folder.path, "quartet.config.ts"), "");
  await writeProto("sound/v1/sound.proto", sound);
  project = findProject(folder.path);
  await generateCode(project);
  for (const { path, text } of protos) await writeProto(path, text);
  error = await generateCode(project).then(
    () => expect.unreachable("code was generated"),
    (thrown) => thrown,
  );
});
afterAll(() => folder[Symbol.asyncDispose]());

async function writeProto(path: string, text: string): Promise<void> {
  const file = join(folder.path, "proto", path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

const shown = () => error.message.split("\n").slice(1);

describe("a proto that cannot be a table is shown with file, line and column:", () => {
  test.each(protos)("$title", ({ path, expected }) => {
    expect(shown().filter((line) => line.startsWith(`${path}:`))).toEqual(expected);
  });

  test("all together, nothing else, in the order of the files, and what mends it", () => {
    expect(error.code).toBe("invalid_argument");
    const count = protos.flatMap(({ expected }) => expected).length;
    expect(error.message.split("\n")[0]).toBe(`${count} faults keep the protos from being tables:`);
    const sorted = [...protos].sort((a, b) => (a.path < b.path ? -1 : 1));
    expect(shown()).toEqual(sorted.flatMap(({ expected }) => expected));
    expect(error.fix).toContain("quartet/v1/options.proto");
  });
});

test("the code on disk stays as it was", async () => {
  expect(await readFile(join(project.generated, "domain.ts"), "utf8")).toContain("file_sound_v1_sound");
  expect((await readdir(project.generated)).sort()).toEqual([".fingerprint", "domain.ts", "sound"]);
  expect(await readdir(join(folder.path, "src"))).toEqual(["gen"]);
});

test("quartet generate prints the faults as they are, then what mends them, and exits with 2", async () => {
  const script = join(findPackageLayout().root, "bin", "quartet.js");
  const child = spawn(process.execPath, [script, "--project", folder.path, "generate"], {
    env: { ...process.env, QUARTET_GENERATED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(out).toBe("");
  expect(err).toBe(`quartet: ${error.message}\n\nTo mend it:\n${error.fix}\n`);
  expect(await closed).toEqual([2, null]);
});
