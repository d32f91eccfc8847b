import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { QuartetError } from "../error/quartet-error.ts";

/** A domain's folder: where its package.json, its protos and its generated code are. All paths absolute. */
export interface Project {
  readonly root: string;
  readonly protos: string;
  readonly generated: string;
  /** The committed schema image that the breaking-change gate compares with. */
  readonly image: string;
  /** Local state: staged protos, stamps, the local Postgres. Never committed. */
  readonly stateDir: string;
  readonly config: string;
}

interface ProjectSettings {
  readonly protos?: string;
  readonly generated?: string;
  readonly image?: string;
}

/**
 * Finds the project around `directory`: the nearest folder upward that holds a `quartet.config.ts` (or `.js`).
 * Settings come from the key `quartet` of its package.json; by default protos are in `proto`, generated code goes
 * to `src/gen`, and the schema image is `proto/schema.binpb`.
 *
 * @throws QuartetError `failed_precondition` when there is none, or its package.json is at fault.
 */
export function findProject(directory: string): Project {
  for (let folder = resolve(directory); ; folder = dirname(folder)) {
    const config = ["quartet.config.ts", "quartet.config.js"]
      .map((name) => join(folder, name))
      .find(existsSync);
    if (config !== undefined) return readProject(folder, config);
    if (folder === dirname(folder)) break;
  }
  throw new QuartetError(
    "failed_precondition",
    `There is no quartet.config.ts in ${directory} or above it.`,
    {
      fix: "Run quartet in a domain's folder, or name one with --project.",
    },
  );
}

function readProject(root: string, config: string): Project {
  const manifest = join(root, "package.json");
  const settings = existsSync(manifest) ? readSettings(manifest) : {};
  const protos = resolve(root, settings.protos ?? "proto");
  return {
    root,
    config,
    protos,
    generated: resolve(root, settings.generated ?? "src/gen"),
    image: settings.image === undefined ? join(protos, "schema.binpb") : resolve(root, settings.image),
    stateDir: join(root, ".quartet"),
  };
}

function readSettings(manifest: string): ProjectSettings {
  const { quartet = {} } = readManifest(manifest);
  for (const [name, value] of Object.entries(quartet)) {
    if (typeof value === "string") continue;
    throw new QuartetError("failed_precondition", `${manifest}: "quartet.${name}" is not a path.`, {
      fix: 'Set it as in "quartet": {"protos": "../../proto"}.',
    });
  }
  return quartet;
}

function readManifest(manifest: string): { readonly quartet?: ProjectSettings } {
  try {
    return JSON.parse(readFileSync(manifest, "utf8")) as { quartet?: ProjectSettings };
  } catch (cause) {
    throw new QuartetError("failed_precondition", `${manifest} cannot be read: ${String(cause)}`, { cause });
  }
}
