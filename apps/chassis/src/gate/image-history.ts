import { basename } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import type { RunGit } from "./run-git.ts";

/** A version of a file that a commit brought. */
export interface FileVersion {
  /** The first commit that has it: short hash and date, such as `1a2b3c4 (2026-05-01)`. */
  readonly commit: string;
  readonly bytes: Uint8Array;
}

/**
 * Every content a file ever had in the history of HEAD, oldest first, each once; those that merges and deletions left behind
 * included.
 *
 * @param git runs in the file's folder
 * @throws QuartetError `failed_precondition` when the history is cut off and that was not allowed.
 */
export async function readFileHistory(
  git: RunGit,
  path: string,
  allowShallow: boolean,
): Promise<readonly FileVersion[]> {
  if (!allowShallow) await refuseShallow(git);
  const commits = await readCommits(git, basename(path));
  const contents = await readContents(
    git,
    commits.map(({ hash }) => hash),
    basename(path),
  );
  const versions = new Map<string, FileVersion>();
  for (const [index, { name }] of commits.entries()) {
    const blob = contents[index];
    if (blob !== undefined && !versions.has(blob.id))
      versions.set(blob.id, { commit: name, bytes: blob.bytes });
  }
  return [...versions.values()];
}

async function refuseShallow(git: RunGit): Promise<void> {
  if ((await readText(git, ["rev-parse", "--is-shallow-repository"])) !== "true") return;
  throw new QuartetError(
    "failed_precondition",
    "The git history is cut off (a shallow clone): schemas that were released before cannot be seen.",
    {
      fix: "Fetch all of it: git fetch --unshallow, or fetch-depth: 0 for actions/checkout. quartet check --allow-shallow checks against what is there.",
    },
  );
}

interface Commit {
  readonly hash: string;
  readonly name: string;
}

/** The commits that changed the file, on whatever side of a merge, oldest first. Plumbing: no setting of a user's changes it. */
async function readCommits(git: RunGit, name: string): Promise<readonly Commit[]> {
  const head = await git(["cat-file", "--batch-check"], "HEAD\n");
  if (head.toString("utf8").trim() === "HEAD missing") return []; // nothing was ever committed
  const args = ["rev-list", "--full-history", "--reverse", "--format=%H %h (%cs)", "HEAD", "--", name];
  const lines = (await readText(git, args)).split("\n");
  return lines
    .filter((line) => line !== "" && !line.startsWith("commit "))
    .map((line) => ({ hash: line.slice(0, line.indexOf(" ")), name: line.slice(line.indexOf(" ") + 1) }));
}

interface Blob {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** The file at each of the commits; undefined where a commit has none. */
async function readContents(
  git: RunGit,
  commits: readonly string[],
  name: string,
): Promise<readonly (Blob | undefined)[]> {
  const prefix = await readText(git, ["rev-parse", "--show-prefix"]);
  const output = await git(
    ["cat-file", "--batch"],
    commits.map((commit) => `${commit}:${prefix}${name}\n`).join(""),
  );
  const blobs: (Blob | undefined)[] = [];
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf("\n", at);
    const [id = "", type, size] = output.toString("utf8", at, end).split(" ");
    const found = type === "blob";
    const start = end + 1;
    blobs.push(found ? { id, bytes: output.subarray(start, start + Number(size)) } : undefined);
    at = found ? start + Number(size) + 1 : start;
  }
  return blobs;
}

async function readText(git: RunGit, args: readonly string[]): Promise<string> {
  return (await git(args)).toString("utf8").trim();
}
