import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findBreaking } from "./buf-findings.ts";
import { compareOptions } from "./compare-options.ts";
import { type SchemaFinding, sortFindings } from "./schema-finding.ts";
import { encodeForBuf, parseSchemaSet, type SchemaSet } from "./schema-set.ts";

/**
 * What breaks for data and clients of one schema when another follows it: all that buf sees, and what it cannot see. Google's
 * protos are left out, and those of the platform that the next build does not use.
 *
 * @param next image of the schema; with source info, findings have lines and columns
 * @param previous image of a schema that was released
 * @returns findings in the order of files and lines, each once
 * @throws QuartetError `failed_precondition` when the bytes are no images.
 */
export async function compareSchemas(
  next: Uint8Array,
  previous: Uint8Array,
): Promise<readonly SchemaFinding[]> {
  return compareSchemaSets(
    parseSchemaSet(next, "The next schema"),
    parseSchemaSet(previous, "The previous schema"),
  );
}

/** As {@link compareSchemas}, of schemas that were read. */
export async function compareSchemaSets(
  next: SchemaSet,
  previous: SchemaSet,
): Promise<readonly SchemaFinding[]> {
  const known = new Set(next.files.map(({ name }) => name));
  const isCompared = (file: string) =>
    !file.startsWith("google/") && (known.has(file) || !file.startsWith("quartet/"));
  await using folder = await openScratch();
  const [nextPath, previousPath] = [join(folder.path, "next.binpb"), join(folder.path, "previous.binpb")];
  await writeFile(nextPath, encodeForBuf(next, isCompared));
  await writeFile(previousPath, encodeForBuf(previous, isCompared));
  const found = await findBreaking(nextPath, previousPath);
  return sortFindings([
    ...found.map((finding) => placeFinding(finding, next, previous)),
    ...compareOptions(next.registry, previous.registry, isCompared),
  ]);
}

/** Where files are gone or have no source info, buf says nothing or line 1: the one is found out, the other left out. */
function placeFinding(finding: SchemaFinding, next: SchemaSet, previous: SchemaSet): SchemaFinding {
  const { file, line, column, ...rest } = finding;
  const found = next.files.find(({ name }) => name === file);
  if (found?.sourceCodeInfo !== undefined) return finding;
  return { file: file === "" ? findFile(finding.message, previous) : file, ...rest };
}

/** The file of what buf says was deleted: it names the package, and what was in it, in quotes. */
function findFile(message: string, previous: SchemaSet): string {
  const names = [...message.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name);
  const types = [...previous.registry];
  const ofPackage = types.filter(({ file }) => names.includes(file.proto.package));
  const named = ofPackage.find(({ typeName, file }) =>
    names.includes(typeName.slice(file.proto.package.length + 1)),
  );
  return (named ?? ofPackage[0])?.file.proto.name ?? "";
}

async function openScratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "quartet-gate-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
