import { type DescField, type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { invalidArgument } from "./invalid-argument.ts";
import { resolveFieldPath } from "./message-field.ts";
import { isObject } from "./request-json.ts";
import { formatTextValue } from "./text-value.ts";

/**
 * The text of a path variable's field in a message's ProtoJSON, where the field is then deleted. Objects on the way
 * stay, even empty.
 *
 * @throws QuartetError `invalid_argument` when a field with presence, or a message on the way, is not set.
 */
export function takeVariable(json: JsonObject, input: DescMessage, path: string): string {
  let holder = json;
  const fields = resolveFieldPath(input, path) ?? [];
  for (const field of fields.slice(0, -1)) {
    const child = holder[field.jsonName];
    if (!isObject(child)) throw invalidArgument(path, `is part of the path, but ${field.name} is not set`);
    holder = child;
  }
  const leaf = fields.at(-1);
  if (leaf === undefined) throw invalidArgument(path, "no such field");
  const value = holder[leaf.jsonName];
  delete holder[leaf.jsonName];
  return value === undefined ? defaultText(leaf, path) : formatTextValue(value);
}

/** ProtoJSON leaves out defaults of fields without presence. */
function defaultText(field: DescField, path: string): string {
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) {
    throw invalidArgument(path, "is part of the path and must be set");
  }
  if (field.enum !== undefined) return String(field.enum.values[0]?.name);
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "";
    case ScalarType.BOOL:
      return "false";
    default:
      return "0";
  }
}
