import type {
  DescEnum,
  DescEnumValue,
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescService,
} from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  ServiceDescriptorProtoSchema,
  type SourceCodeInfo_Location,
} from "@bufbuild/protobuf/wkt";

/** A place in a proto file. Lines and columns count from 1; absent where the descriptor came without source info. */
export interface SourcePlace {
  /** As imports name it, such as `shop/v1/orders.proto`. */
  readonly file: string;
  readonly position: { readonly line: number; readonly column: number } | undefined;
}

/** What can be found in its file. All of them keep their name in field 1 of their proto. */
export type LocatedDesc = DescMessage | DescField | DescEnum | DescEnumValue | DescService | DescMethod;

/** Shorter than this, a path inside a descriptor means all of its options, not the one that is meant. */
const meaningfulDepth = 2;

/**
 * Finds where a descriptor, or something inside it, is written. Code at run time has no source info, a plugin has.
 *
 * @param inside field numbers and indexes from the descriptor's proto on, such as those of an element of an option. The
 * nearest place around it that the compiler recorded is taken; at last the descriptor's name.
 */
export function locateDescriptor(desc: LocatedDesc, inside: readonly number[] = []): SourcePlace {
  const file = fileOf(desc);
  const locations = file.proto.sourceCodeInfo?.location ?? [];
  const path = pathOf(desc);
  const { name } = DescriptorProtoSchema.field;
  const candidates = [
    ...prefixesOf(inside).map((prefix) => [...path, ...prefix]),
    [...path, name.number],
    path,
  ];
  for (const candidate of candidates) {
    const [line, column] = findLocation(locations, candidate)?.span ?? [];
    if (line === undefined || column === undefined) continue;
    return { file: file.proto.name, position: { line: line + 1, column: column + 1 } };
  }
  return { file: file.proto.name, position: undefined };
}

/** The path from longest to shortest, as long as it says what is meant. */
function prefixesOf(inside: readonly number[]): readonly (readonly number[])[] {
  const shortest = Math.min(meaningfulDepth, inside.length);
  return inside.slice(shortest - 1).map((_, index) => inside.slice(0, inside.length - index));
}

/** The location of a path, or the first one inside it: compilers record `a: {b: 1}` as one or as the other. */
function findLocation(
  locations: readonly SourceCodeInfo_Location[],
  path: readonly number[],
): SourceCodeInfo_Location | undefined {
  const inside = locations.filter((location) => path.every((step, index) => location.path[index] === step));
  return inside.find((location) => location.path.length === path.length) ?? inside[0];
}

function fileOf(desc: LocatedDesc): DescFile {
  return "file" in desc ? desc.file : desc.parent.file;
}

/** Path of a descriptor in its file: https://protobuf.com/docs/descriptors#source-code-info */
function pathOf(desc: LocatedDesc): number[] {
  const { field, nestedType, enumType } = DescriptorProtoSchema.field;
  const file = FileDescriptorProtoSchema.field;
  switch (desc.kind) {
    case "field":
      return [...pathOf(desc.parent), field.number, desc.parent.proto.field.indexOf(desc.proto)];
    case "message":
      return desc.parent === undefined
        ? [file.messageType.number, desc.file.proto.messageType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), nestedType.number, desc.parent.proto.nestedType.indexOf(desc.proto)];
    case "enum":
      return desc.parent === undefined
        ? [file.enumType.number, desc.file.proto.enumType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), enumType.number, desc.parent.proto.enumType.indexOf(desc.proto)];
    case "enum_value": {
      const { value } = EnumDescriptorProtoSchema.field;
      return [...pathOf(desc.parent), value.number, desc.parent.proto.value.indexOf(desc.proto)];
    }
    case "service":
      return [file.service.number, desc.file.proto.service.indexOf(desc.proto)];
    case "rpc": {
      const { method } = ServiceDescriptorProtoSchema.field;
      return [...pathOf(desc.parent), method.number, desc.parent.proto.method.indexOf(desc.proto)];
    }
  }
}
