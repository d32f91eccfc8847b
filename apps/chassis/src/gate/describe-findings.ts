import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import type { Project } from "../project/project.ts";
import type { CheckFinding } from "./check-schema.ts";
import { openGit } from "./run-git.ts";
import { formatFinding } from "./schema-finding.ts";

/** A finding of a check for a terminal. */
export function describeFinding(finding: CheckFinding): string {
  if (finding.check === "lint") return formatFinding(finding);
  return formatFinding(finding, [`released: ${describeReleases(finding)}`]);
}

/**
 * Findings as GitHub takes them from the log of a job, and shows them at their lines:
 * https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
 */
export async function annotateFindings(
  project: Project,
  findings: readonly CheckFinding[],
): Promise<readonly string[]> {
  const prefix = findings.length === 0 ? "" : await findPrefix(project);
  return findings.map((finding) => annotate(project, prefix, finding));
}

/** Notes as GitHub takes them. */
export function annotateNotes(notes: readonly string[]): readonly string[] {
  return notes.map((note) => `::notice title=quartet check::${escapeText(note)}`);
}

function describeReleases({ since, releases }: CheckFinding & { readonly check: "breaking" }): string {
  return releases === 1 ? since : `${since} and ${releases - 1} more`;
}

function annotate({ protos }: Project, prefix: string, finding: CheckFinding): string {
  const { file, line, column, rule, message, fix } = finding;
  // The platform's own protos lie elsewhere: GitHub has no line to show for them.
  const known = file !== "" && existsSync(join(protos, file));
  const properties = [
    known ? `file=${escapeProperty(`${prefix}${file}`)}` : [],
    known && line !== undefined ? `line=${line}` : [],
    known && column !== undefined ? `col=${column}` : [],
    `title=${escapeProperty(rule)}`,
  ].flat();
  const released = finding.check === "breaking" ? [`Released: ${describeReleases(finding)}`] : [];
  const text = [known || file === "" ? message : `${file}: ${message}`, ...released, `Instead: ${fix}`];
  return `::error ${properties.join(",")}::${escapeText(text.join("\n"))}`;
}

/** Folder of the protos as seen from the top of the repository, with a slash at its end. */
async function findPrefix({ root, protos }: Project): Promise<string> {
  const git = await openGit(protos);
  if (typeof git !== "string") return (await git(["rev-parse", "--show-prefix"])).toString("utf8").trim();
  return `${relative(root, protos)}/`;
}

function escapeText(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeText(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
