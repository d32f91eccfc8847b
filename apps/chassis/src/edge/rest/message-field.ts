import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";

const indexes = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The field of a message by its proto name or its JSON name, as ProtoJSON parsers must accept both. */
export function findField(message: DescMessage, name: string): DescField | undefined {
  let index = indexes.get(message);
  if (index === undefined) {
    index = new Map(
      message.fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field]]),
    );
    indexes.set(message, index);
  }
  return index.get(name);
}

/** The message whose fields appear below this field in JSON; undefined for anything that is not a plain object. */
export function nestedMessage(field: DescField): DescMessage | undefined {
  return field.fieldKind === "message" ? plainMessage(field.message) : undefined;
}

/** The same for the items of a repeated field and the values of a map. */
export function itemMessage(field: DescField): DescMessage | undefined {
  return field.fieldKind === "list" || field.fieldKind === "map" ? plainMessage(field.message) : undefined;
}

function plainMessage(message: DescMessage | undefined): DescMessage | undefined {
  return message === undefined || hasCustomJsonRepresentation(message) ? undefined : message;
}

/** The fields that a dotted path of proto names leads through, the leaf last; undefined when a name leads nowhere. */
export function resolveFieldPath(message: DescMessage, path: string): readonly DescField[] | undefined {
  const fields: DescField[] = [];
  let parent: DescMessage | undefined = message;
  for (const name of path.split(".")) {
    const field: DescField | undefined = parent?.fields.find((candidate) => candidate.name === name);
    if (field === undefined) return undefined;
    fields.push(field);
    parent = nestedMessage(field);
  }
  return fields;
}
