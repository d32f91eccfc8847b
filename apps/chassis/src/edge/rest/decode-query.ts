import type { DescField, DescMessage, JsonObject } from "@bufbuild/protobuf";
import { invalidArgument } from "./invalid-argument.ts";
import { findField, nestedMessage } from "./message-field.ts";
import { placeLeaf } from "./request-json.ts";
import { parseTextValue, takesText } from "./text-value.ts";

/** What other parts of the request fill, and the query must leave alone. */
export interface BoundElsewhere {
  /** `""`, `"*"` or the proto name of the field that is the body. */
  readonly body: string;
  /** Field paths of the template's variables, in proto names. */
  readonly variables: ReadonlySet<string>;
}

interface Parameter {
  readonly name: string;
  readonly fields: readonly DescField[];
  readonly leaf: DescField;
}

/**
 * Writes query parameters into a request's JSON. Names are dotted field paths in proto or JSON names; a repeated
 * field takes its parameter repeatedly, in order (`google/api/http.proto`, "Rules for HTTP mapping").
 *
 * @throws QuartetError `invalid_argument`, with the parameter as `field`: unknown, given twice, bound by path or
 * body, of a type that has no text form (maps, repeated messages, Struct, Any), or not a value of its field.
 */
export function decodeQuery(
  root: JsonObject,
  input: DescMessage,
  query: URLSearchParams,
  bound: BoundElsewhere,
): void {
  const seen = new Set<string>();
  for (const [name, text] of query) {
    const parameter = resolveParameter(input, name, bound);
    const place = placeLeaf(root, input, parameter.fields, name.split("."));
    const value = parseTextValue(parameter.leaf, text, name);
    if (parameter.leaf.fieldKind !== "list") {
      checkOnce(seen, parameter);
      place.holder[place.key] = value;
      continue;
    }
    const items = Object.hasOwn(place.holder, place.key) ? place.holder[place.key] : undefined;
    if (Array.isArray(items)) items.push(value);
    else place.holder[place.key] = [value];
  }
}

function resolveParameter(input: DescMessage, name: string, bound: BoundElsewhere): Parameter {
  if (bound.body === "*") throw invalidArgument(name, "this method takes no query parameters");
  const fields: DescField[] = [];
  let parent: DescMessage | undefined = input;
  for (const part of name.split(".")) {
    const field: DescField | undefined = parent && findField(parent, part);
    if (field === undefined) throw invalidArgument(name, "unknown query parameter");
    fields.push(field);
    parent = nestedMessage(field);
  }
  const leaf = fields.at(-1);
  if (leaf === undefined || !takesText(leaf)) {
    throw invalidArgument(name, "a field of this type cannot be a query parameter");
  }
  checkUnbound(name, fields, bound);
  return { name, fields, leaf };
}

function checkUnbound(name: string, fields: readonly DescField[], bound: BoundElsewhere): void {
  if (fields[0]?.name === bound.body) throw invalidArgument(name, "belongs in the body");
  if (bound.variables.has(protoPath(fields))) throw invalidArgument(name, "belongs in the path");
}

function checkOnce(seen: Set<string>, { name, fields }: Parameter): void {
  const path = protoPath(fields);
  if (seen.has(path)) throw invalidArgument(name, "given more than once");
  seen.add(path);
}

function protoPath(fields: readonly DescField[]): string {
  return fields.map((field) => field.name).join(".");
}
