import {
  create,
  type DescMessage,
  equals,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { invalidArgument } from "./invalid-argument.ts";
import { resolveFieldPath } from "./message-field.ts";
import { type JsonPlace, placeLeaf } from "./request-json.ts";
import { parseTextValue } from "./text-value.ts";

/**
 * Writes the path variables into a request's JSON. A body may repeat a variable's value or leave it at its default.
 *
 * @throws QuartetError `invalid_argument` for a text that is no value of its field and for a body that contradicts.
 */
export function bindVariables(
  root: JsonObject,
  input: DescMessage,
  variables: Readonly<Record<string, string>>,
): void {
  for (const [name, text] of Object.entries(variables)) {
    const fields = resolveFieldPath(input, name);
    const leaf = fields?.at(-1);
    if (fields === undefined || leaf === undefined) throw invalidArgument(name, "no such field");
    const value = parseTextValue(leaf, text, name);
    put(placeLeaf(root, input, fields, name.split(".")), value);
  }
}

function put(place: JsonPlace, value: JsonValue): void {
  const { holder, key } = place;
  const fromBody = Object.hasOwn(holder, key) ? holder[key] : undefined;
  if (fromBody !== undefined && fromBody !== null) {
    const given = decodeOne(place.message, key, fromBody);
    // Left in place, a value that does not decode is refused and located with the rest of the body.
    if (given === undefined) return;
    if (contradicts(place, given, value)) {
      throw invalidArgument(place.path, "the body contradicts the path; send the same value or leave it out");
    }
  }
  holder[key] = value;
}

function contradicts({ message, key }: JsonPlace, given: Message, value: JsonValue): boolean {
  // Without presence a default cannot be told from an absent field, and some clients always send it.
  if (equals(message, given, create(message))) return false;
  const bound = decodeOne(message, key, value);
  return bound !== undefined && !equals(message, given, bound);
}

function decodeOne(message: DescMessage, key: string, value: JsonValue): Message | undefined {
  try {
    return fromJson(message, { [key]: value });
  } catch {
    return undefined;
  }
}
