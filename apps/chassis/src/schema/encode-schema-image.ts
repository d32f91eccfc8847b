import { create, type DescFile, type Registry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/**
 * All files of a registry and what they import, as a binary `google.protobuf.FileDescriptorSet`: what buf calls an image.
 * Files follow those they import; the same schema always gives the same bytes. Comments are left out.
 */
export function encodeSchemaImage(registry: Registry): Uint8Array {
  const found = new Set<DescFile>();
  for (const type of registry) found.add(type.file);
  const ordered = new Map<string, DescFile>();
  for (const file of [...found].sort(byName)) addAfterImports(file, ordered);
  const files = [...ordered.values()].map(({ proto }) =>
    create(FileDescriptorProtoSchema, { ...proto, sourceCodeInfo: undefined }),
  );
  return toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: files }));
}

function addAfterImports(file: DescFile, ordered: Map<string, DescFile>): void {
  if (ordered.has(file.proto.name)) return;
  for (const imported of [...file.dependencies].sort(byName)) addAfterImports(imported, ordered);
  ordered.set(file.proto.name, file);
}

function byName(a: DescFile, b: DescFile): number {
  return a.proto.name < b.proto.name ? -1 : 1;
}
