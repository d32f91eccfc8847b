import { create, createFileRegistry, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";

/** A schema that was read from its image. */
export interface SchemaSet {
  /** Files follow those they import, in one order for one schema. */
  readonly files: readonly FileDescriptorProto[];
  readonly registry: FileRegistry;
}

/**
 * Reads a schema image: a binary `google.protobuf.FileDescriptorSet` of a schema and all it imports, with or without source
 * info.
 *
 * @param name names the image in errors
 * @throws QuartetError `failed_precondition` when the bytes are no such image.
 */
export function parseSchemaSet(image: Uint8Array, name: string): SchemaSet {
  try {
    const { file } = fromBinary(FileDescriptorSetSchema, image);
    if (file.length === 0) throw new Error("it has no files");
    const files = orderFiles(file);
    return { files, registry: createFileRegistry(create(FileDescriptorSetSchema, { file: files })) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new QuartetError("failed_precondition", `${name} is no schema image: ${why}.`, { cause });
  }
}

/** The schema without its comments and without what buf notes about its files: equal bytes are equal schemas. */
export function canonicalImage({ files }: SchemaSet): Uint8Array {
  return encodeFiles(files.map((file) => ({ ...stripNotes(file), sourceCodeInfo: undefined })));
}

/**
 * An image for buf to compare.
 *
 * @param isCompared takes names of files; the others are marked as imports, which buf leaves out when it is told to
 */
export function encodeForBuf({ files }: SchemaSet, isCompared: (file: string) => boolean): Uint8Array {
  return encodeFiles(
    files.map((file) => {
      const stripped = stripNotes(file);
      const noted = { ...stripped, $unknown: [...(stripped.$unknown ?? []), importNote] };
      return isCompared(file.name) ? stripped : noted;
    }),
  );
}

/** Number of `ImageFile.buf_extension` in buf's `buf.alpha.image.v1`. */
const noteNumber = 8042;
/** `{is_import: true}`, after its length. */
const importNote = { no: noteNumber, wireType: 2, data: Uint8Array.of(2, 8, 1) };

function stripNotes(file: FileDescriptorProto): FileDescriptorProto {
  return { ...file, $unknown: file.$unknown?.filter(({ no }) => no !== noteNumber) };
}

function encodeFiles(file: FileDescriptorProto[]): Uint8Array {
  return toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));
}

/** Imports before what imports them, else by name. */
function orderFiles(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  const ordered = new Set<FileDescriptorProto>();
  const visiting = new Set<string>();
  const visit = (name: string): void => {
    const file = byName.get(name);
    if (file === undefined || visiting.has(name)) return;
    visiting.add(name);
    for (const imported of file.dependency.toSorted()) visit(imported);
    ordered.add(file);
  };
  for (const name of [...byName.keys()].sort()) visit(name);
  return [...ordered];
}
