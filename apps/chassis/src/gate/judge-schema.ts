import { QuartetError } from "../error/quartet-error.ts";
import { compareSchemaSets } from "./compare-schemas.ts";
import { mapTwoAtOnce } from "./map-two-at-once.ts";
import { formatFinding, type SchemaFinding, sortFindings } from "./schema-finding.ts";
import { canonicalImage, parseSchemaSet, type SchemaSet } from "./schema-set.ts";

/**
 * What a build's schema is to a database: the one it has, one that follows, or one that the database's schema has left
 * behind, whose data the build reads and keeps.
 */
export type SchemaJudgement = "same" | "newer" | "older";

/**
 * Judges whether a build may work on a database. buf is not started for a schema that was recorded before.
 *
 * @param recorded images that were applied to the database, oldest first; empty when none was
 * @param next image of the build
 * @throws QuartetError `failed_precondition` with every finding when neither follows the other.
 */
export async function judgeSchema(
  recorded: readonly Uint8Array[],
  next: Uint8Array,
): Promise<SchemaJudgement> {
  const build = parseSchemaSet(next, "The build's schema");
  const known = recorded.map((image, index) => parseSchemaSet(image, `Recorded schema ${index + 1}`));
  const latest = known.at(-1);
  if (latest === undefined) return "newer";
  if (sameSchema(latest, build)) return "same";
  if (known.some((schema) => sameSchema(schema, build))) return "older";
  const findings = (await mapTwoAtOnce(known, (schema) => compareSchemaSets(build, schema))).flat();
  if (findings.length === 0) return "newer";
  if ((await compareSchemaSets(latest, build)).length === 0) return "older";
  throw refusal(sortFindings(findings));
}

function sameSchema(a: SchemaSet, b: SchemaSet): boolean {
  return Buffer.compare(canonicalImage(a), canonicalImage(b)) === 0;
}

function refusal(findings: readonly SchemaFinding[]): QuartetError {
  const count = findings.length === 1 ? "one place" : `${findings.length} places`;
  const listed = findings.map((finding) => formatFinding(finding)).join("\n");
  return new QuartetError(
    "failed_precondition",
    `This build's schema breaks the one recorded in the database, in ${count}. Nothing was changed.\n\n${listed}`,
    {
      fix:
        "Change the protos as said, check them (quartet check) and apply again.\n" +
        "On a machine of your own, before any release: quartet dev --fresh starts over with empty databases. A schema\n" +
        "whose apply never came to its end, and with which nothing was served, can be taken back by deleting its row of\n" +
        "quartet.schema_image.",
    },
  );
}
