import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";
import type { Project } from "../project/project.ts";
import { readFileHistory } from "./image-history.ts";
import { openGit } from "./run-git.ts";
import { parseSchemaSet, type SchemaSet } from "./schema-set.ts";

/** A schema that was released. */
export interface ReleasedSchema {
  readonly schema: SchemaSet;
  /** Where it is from: the first commit that has it, `the working tree`, or the path of a file. */
  readonly name: string;
}

export interface ReleasedSchemas {
  /** Oldest first, each once. */
  readonly schemas: readonly ReleasedSchema[];
  /** What the reader should know about them, a sentence each. */
  readonly notes: readonly string[];
}

export interface ReleaseOptions {
  /** An image to take in place of the project's, its history included. */
  readonly against?: string;
  /** Take what there is of a history that is cut off. */
  readonly allowShallow?: boolean;
  /** That nothing was released yet is no fault. */
  readonly mayBeFirst?: boolean;
}

/**
 * Reads every schema image that was ever committed, and the one in the working tree; without git, that one alone.
 *
 * @throws QuartetError `failed_precondition` when there is none, one cannot be read, or the history is cut off.
 */
export async function readReleasedSchemas(
  project: Project,
  options: ReleaseOptions = {},
): Promise<ReleasedSchemas> {
  if (options.against !== undefined) {
    const image = await readImage(options.against);
    if (image === undefined) throw imageMissing(options.against);
    return { schemas: [parseReleased(image, options.against)], notes: [] };
  }
  const found = await readProjectSchemas(project, options.allowShallow ?? false);
  if (found.schemas.length === 0 && !options.mayBeFirst) throw imageMissing(project.image);
  return found;
}

async function readProjectSchemas(project: Project, allowShallow: boolean): Promise<ReleasedSchemas> {
  const current = await readImage(project.image);
  const folder = dirname(project.image);
  const git = await openGit(existsSync(folder) ? folder : project.root);
  if (typeof git === "string") {
    const notes = [`Compared with ${project.image} alone, since ${git}.`];
    return { schemas: current === undefined ? [] : [parseReleased(current, "the working tree")], notes };
  }
  const history = await readFileHistory(git, project.image, allowShallow);
  const schemas = history.map(({ commit, bytes }) => parseReleased(bytes, commit, project.image));
  const committed =
    current === undefined || history.some(({ bytes }) => Buffer.compare(bytes, current) === 0);
  if (!committed) schemas.push(parseReleased(current, "the working tree"));
  return { schemas, notes: notesOf(project, { current, committed, versions: history.length }) };
}

function notesOf(
  { image }: Project,
  found: { readonly current: unknown; readonly committed: boolean; readonly versions: number },
): readonly string[] {
  if (found.current === undefined && found.versions > 0) {
    return [
      `${image} is missing. It was compared with what git has of it; put it back: git checkout HEAD -- ${image}`,
    ];
  }
  return found.committed
    ? []
    : [`${image} is not committed as it is: commit it, or later checks do not know of it.`];
}

function parseReleased(bytes: Uint8Array, name: string, path?: string): ReleasedSchema {
  const described = path === undefined ? name : `${path} of commit ${name}`;
  return { schema: parseSchemaSet(bytes, described), name };
}

async function readImage(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new QuartetError(
      "failed_precondition",
      `The schema image ${path} cannot be read: ${String(cause)}`,
      {
        cause,
      },
    );
  }
}

function imageMissing(path: string): QuartetError {
  return new QuartetError("failed_precondition", `There is no schema image at ${path}.`, {
    fix: "Record the released schema and commit it: quartet check --record",
  });
}
