import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { invalidArgument } from "./invalid-argument.ts";
import { nestedMessage } from "./message-field.ts";

/** A place in a request's JSON: the object that holds, or will hold, the leaf, and the key it has there. */
export interface JsonPlace {
  readonly holder: JsonObject;
  /** The message whose JSON the holder is. */
  readonly message: DescMessage;
  readonly key: string;
  /** The whole path, spelled as the request spells it. */
  readonly path: string;
}

/** An empty object without a prototype, so that no key of a client means anything but itself. */
export function emptyObject(): JsonObject {
  return Object.create(null) as JsonObject; // Object.create is typed any.
}

export function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** A shallow copy without a prototype. */
export function copyObject(json: JsonObject): JsonObject {
  return Object.assign(emptyObject(), json);
}

/**
 * Walks to a leaf, keeping the spelling of keys that are there (proto or JSON name) and creating missing objects
 * under `names`. Objects on the way are replaced by copies, so that the client's own JSON is never changed.
 *
 * @throws QuartetError `invalid_argument` when something on the way is not an object.
 */
export function placeLeaf(
  root: JsonObject,
  message: DescMessage,
  fields: readonly DescField[],
  names: readonly string[],
): JsonPlace {
  let holder = root;
  let parent = message;
  const path: string[] = [];
  for (const [at, field] of fields.entries()) {
    const key = keyOf(holder, field, names[at] ?? field.name);
    path.push(key);
    const child = at === fields.length - 1 ? undefined : nestedMessage(field);
    if (child === undefined) return { holder, message: parent, key, path: path.join(".") };
    holder = openObject(holder, key, path.join("."));
    parent = child;
  }
  throw new RangeError("a field path has at least one field");
}

function keyOf(holder: JsonObject, field: DescField, otherwise: string): string {
  if (Object.hasOwn(holder, field.name)) return field.name;
  return Object.hasOwn(holder, field.jsonName) ? field.jsonName : otherwise;
}

function openObject(holder: JsonObject, key: string, path: string): JsonObject {
  const value = holder[key] ?? emptyObject();
  if (!isObject(value)) throw invalidArgument(path, "expected an object");
  const copy = copyObject(value);
  holder[key] = copy;
  return copy;
}
