import { execFile, spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { openTestFolder } from "../cluster/postgres/test-folder.ts";
import { findProject, type Project } from "../project/project.ts";
import { openBuiltImage } from "./schema-image.ts";

const run = promisify(execFile);

/**
 * True where git is not installed and tests that need it are left out, saying so. Where every program must be there
 * (`QUARTET_ALL_PROGRAMS`, as in `.ci/run`) they run, and fail.
 */
export const lacksGit: boolean = process.env["QUARTET_ALL_PROGRAMS"] === undefined && !runsGit();

function runsGit(): boolean {
  if (spawnSync("git", ["version"]).status === 0) return true;
  console.warn("tests of the gate need git, which is not installed: apt-get install git");
  return false;
}

/** A project in a folder of its own, in which git can be used. */
export interface TestProject extends AsyncDisposable {
  readonly project: Project;
  readonly folder: string;
  write(path: string, text: string | Uint8Array): Promise<void>;
  /** Runs git as somebody, whatever the settings of the machine; gives what it prints. */
  git(...args: readonly string[]): Promise<string>;
  /** Adds all and commits it; gives the short hash. */
  commit(message: string): Promise<string>;
  /** The image of its protos, with source info. */
  image(): Promise<Uint8Array>;
}

export async function openTestProject(protos: Readonly<Record<string, string>>): Promise<TestProject> {
  const folder = await openTestFolder();
  const write = async (path: string, text: string | Uint8Array) => {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), text);
  };
  await write("quartet.config.ts", "");
  await write(".gitignore", ".quartet/\n");
  for (const [path, text] of Object.entries(protos)) await write(`proto/${path}`, text);
  const project = findProject(folder.path);
  const git = async (...args: readonly string[]) => {
    const who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
    return (await run("git", ["-C", folder.path, ...who, ...args])).stdout.trim();
  };
  return {
    project,
    folder: folder.path,
    write,
    git,
    async commit(message) {
      await git("add", "--all");
      await git("commit", "--quiet", "--allow-empty", "--message", message);
      return git("rev-parse", "--short", "HEAD");
    },
    async image() {
      await using image = await openBuiltImage(project);
      return image.bytes;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
