import {
  type DescField,
  type DescMessage,
  isMessage,
  type JsonValue,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { QuartetError } from "../../error/quartet-error.ts";
import { type JsonMap, setOwn } from "../../schema/json/json-map.ts";
import { fieldJson } from "./column-value.ts";

/**
 * The ProtoJSON that a field must contain (`@>`): of a list the given elements, of a map the given entries, of a message
 * the given fields, zero values included. A message made by `create` counts by the fields that are set in it.
 *
 * @param name of the value in the error
 * @throws QuartetError `invalid_argument` when the value is none of the field's.
 */
export function containedJson(field: DescField, value: unknown, registry: Registry, name: string): JsonValue {
  const given = field.fieldKind === "list" && !Array.isArray(value) ? [value] : value;
  const { message } = field;
  // ProtoJSON writes well-known types in ways of their own.
  if (message === undefined || message.typeName.startsWith("google.protobuf.")) {
    return fieldJson(field, given, registry, name);
  }
  const part = (one: unknown) => partJson(message, one, registry, name);
  if (Array.isArray(given)) return given.map(part);
  if (field.fieldKind !== "map") return part(given);
  const json: JsonMap = {};
  for (const [key, one] of Object.entries(requireObject(given, name))) setOwn(json, key, part(one));
  return json;
}

function partJson(message: DescMessage, value: unknown, registry: Registry, name: string): JsonValue {
  if (isMessage(value, message)) return toJson(message, value, { registry });
  const json: JsonMap = {};
  for (const [key, inner] of Object.entries(requireObject(value, name))) {
    if (key === "$typeName") continue;
    const { field, given } = memberOf(message, key, inner, name);
    setOwn(json, field.jsonName, containedJson(field, given, registry, `${name}.${key}`));
  }
  return json;
}

/** The field that a key of an init is for: its own, or the member of a oneof that its value names. */
function memberOf(message: DescMessage, key: string, inner: unknown, name: string) {
  const oneof = message.oneofs.find((candidate) => candidate.localName === key);
  if (oneof === undefined) {
    return { field: requireField(message.fields, key, name), given: inner };
  }
  const { case: member, value } = requireObject(inner, name);
  return { field: requireField(oneof.fields, String(member), name), given: value };
}

function requireField(fields: readonly DescField[], localName: string, name: string): DescField {
  const field = fields.find((candidate) => candidate.localName === localName);
  if (field !== undefined) return field;
  throw new QuartetError("invalid_argument", `${name} has no field ${localName}.`, { field: name });
}

function requireObject(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  throw new QuartetError("invalid_argument", `${name} cannot contain ${String(value)}.`, { field: name });
}
