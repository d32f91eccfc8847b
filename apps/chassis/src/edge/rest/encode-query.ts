import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { invalidArgument } from "./invalid-argument.ts";
import { findField, nestedMessage } from "./message-field.ts";
import { isObject } from "./request-json.ts";
import { formatTextValue, takesText } from "./text-value.ts";

/**
 * The query parameters of a message's ProtoJSON, under dotted JSON names. `variables` are the paths bound by the
 * template: messages that lead to them may be empty, as the path brings them back.
 *
 * @throws QuartetError `invalid_argument` for what only a body could carry: maps, repeated messages, Struct, Any,
 * messages that are set but empty.
 */
export function encodeQuery(
  json: JsonObject,
  input: DescMessage,
  variables: readonly string[],
): URLSearchParams {
  const query = new URLSearchParams();
  appendMessage(query, { json, message: input, name: "", path: "" }, variables);
  return query;
}

interface Part {
  readonly json: JsonObject;
  readonly message: DescMessage;
  /** Dotted JSON names. */
  readonly name: string;
  /** Dotted proto names. */
  readonly path: string;
}

function appendMessage(query: URLSearchParams, part: Part, variables: readonly string[]): void {
  for (const [key, value] of Object.entries(part.json)) {
    const field = findField(part.message, key);
    const name = part.name + key;
    if (field === undefined) throw invalidArgument(name, "an extension cannot be a query parameter");
    const nested = nestedMessage(field);
    const path = part.path + field.name;
    if (nested === undefined || !isObject(value)) appendLeaf(query, field, name, value);
    else if (Object.keys(value).length > 0) {
      appendMessage(query, { json: value, message: nested, name: `${name}.`, path: `${path}.` }, variables);
    } else if (!variables.some((variable) => variable.startsWith(`${path}.`))) {
      throw invalidArgument(name, "an empty message cannot be a query parameter");
    }
  }
}

function appendLeaf(query: URLSearchParams, field: DescField, name: string, value: JsonValue): void {
  if (!takesText(field)) throw invalidArgument(name, "a field of this type cannot be a query parameter");
  for (const item of Array.isArray(value) ? value : [value]) query.append(name, formatTextValue(item));
}
