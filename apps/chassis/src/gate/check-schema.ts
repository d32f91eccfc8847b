import type { Project } from "../project/project.ts";
import { lintImage } from "./buf-findings.ts";
import { compareSchemaSets } from "./compare-schemas.ts";
import { mapTwoAtOnce } from "./map-two-at-once.ts";
import { type ReleasedSchema, type ReleaseOptions, readReleasedSchemas } from "./released-schemas.ts";
import { findingKey, type SchemaFinding, sortFindings } from "./schema-finding.ts";
import { openBuiltImage } from "./schema-image.ts";
import { parseSchemaSet, type SchemaSet } from "./schema-set.ts";

/** A finding of a check: of style, or a break of something that was released. */
export type CheckFinding =
  | (SchemaFinding & { readonly check: "lint" })
  | (SchemaFinding & {
      readonly check: "breaking";
      /** The first release that breaks: a commit, or where else the image is from. */
      readonly since: string;
      /** How many released schemas break so. */
      readonly releases: number;
    });

export interface SchemaReport {
  readonly findings: readonly CheckFinding[];
  /** Schemas that were compared with. */
  readonly releases: number;
  readonly notes: readonly string[];
}

export interface CheckSchemaOptions extends ReleaseOptions {
  /** Called after each released schema that was compared with. */
  readonly onProgress?: (done: number, of: number) => void;
}

/**
 * Checks a project's protos: buf lint, and what breaks against every schema image that was ever committed.
 *
 * @throws QuartetError `failed_precondition` when there is no image to compare with, one cannot be read, or the git history
 * is cut off; `invalid_argument` when the protos do not compile.
 */
export async function checkSchema(project: Project, options: CheckSchemaOptions = {}): Promise<SchemaReport> {
  await using image = await openBuiltImage(project);
  const next = parseSchemaSet(image.bytes, "The build's schema");
  const [lint, released] = await Promise.all([
    lintImage(image.path, image.own),
    readReleasedSchemas(project, options),
  ]);
  const breaking = await compareAll(next, released.schemas, options.onProgress);
  return {
    findings: [...sortFindings(lint).map((finding) => ({ ...finding, check: "lint" as const })), ...breaking],
    releases: released.schemas.length,
    notes: released.notes,
  };
}

/** The same finding against several releases is one, since the first of them. */
async function compareAll(
  next: SchemaSet,
  released: readonly ReleasedSchema[],
  onProgress: CheckSchemaOptions["onProgress"],
): Promise<readonly CheckFinding[]> {
  let done = 0;
  const compared = await mapTwoAtOnce(released, async ({ schema, name }) => {
    const findings = await compareSchemaSets(next, schema);
    done += 1;
    onProgress?.(done, released.length);
    return findings.map((finding) => ({ ...finding, since: name }));
  });
  const all = compared.flat();
  const counts = new Map<string, number>();
  for (const finding of all) counts.set(findingKey(finding), (counts.get(findingKey(finding)) ?? 0) + 1);
  return sortFindings(all).map((finding) => ({
    ...finding,
    check: "breaking",
    releases: counts.get(findingKey(finding)) ?? 1,
  }));
}
