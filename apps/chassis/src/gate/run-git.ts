import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";

/** Runs git in a folder of a work tree and gives what it prints. */
export type RunGit = (args: readonly string[], input?: string) => Promise<Buffer>;

/**
 * Git for a folder that is in a work tree, also by a symbolic link; a text that says why there is none where the folder is
 * in none or git is not installed.
 *
 * @throws QuartetError `failed_precondition` when git takes another folder for the work tree, as in some hooks.
 */
export async function openGit(folder: string): Promise<RunGit | string> {
  const top = findWorkTree(realpathSync(folder));
  if (top === undefined) return `${folder} is in no git work tree`;
  if ((await spawnGit(folder, ["version"], "")) === undefined) return "git is not installed";
  const git: RunGit = (args, input = "") => runGit(folder, args, input);
  await refuseOtherTop(git, top);
  return git;
}

/** Seen from another top, files have other paths, and those of before would not be found. */
async function refuseOtherTop(git: RunGit, top: string): Promise<void> {
  const found = (await git(["rev-parse", "--show-toplevel"])).toString("utf8").trim();
  if (found !== "" && realpathSync(found) === top) return;
  throw new QuartetError(
    "failed_precondition",
    `git takes ${found || "nothing"} for the top of the work tree, and not ${top}.`,
    { fix: "Unset what names another one: env -u GIT_DIR -u GIT_WORK_TREE quartet check" },
  );
}

/**
 * The top of the git work tree that a folder is in. Looked for here and not asked of git: its refusal of a folder that
 * somebody else owns must not pass for "none".
 */
export function findWorkTree(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (at === dirname(at)) return undefined;
  }
}

/** @throws QuartetError `failed_precondition` with git's own words when it fails. */
async function runGit(folder: string, args: readonly string[], input: string): Promise<Buffer> {
  const result = await spawnGit(folder, args, input);
  if (result?.exitCode === 0) return result.output;
  throw new QuartetError(
    "failed_precondition",
    `git ${args.join(" ")} failed in ${folder}:\n${result?.errors.trim() ?? "git is not installed"}`,
  );
}

interface GitResult {
  readonly exitCode: number;
  readonly output: Buffer;
  readonly errors: string;
}

/** Undefined when there is no git. */
async function spawnGit(
  folder: string,
  args: readonly string[],
  input: string,
): Promise<GitResult | undefined> {
  // A folder of somebody else's, as CI's checkouts often are: its own code runs here anyway.
  const trusted = ["-c", "safe.directory=*"];
  const child = spawn("git", ["-C", folder, ...trusted, "--literal-pathspecs", ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const [output, errors]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  child.stdin.on("error", () => undefined); // git that fails reads no more; its exit code says so
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", (error) =>
      "code" in error && error.code === "ENOENT" ? resolve(undefined) : reject(error),
    );
    child.once("close", (code) =>
      resolve({
        exitCode: code ?? 1,
        output: Buffer.concat(output),
        errors: Buffer.concat(errors).toString("utf8"),
      }),
    );
  });
}
