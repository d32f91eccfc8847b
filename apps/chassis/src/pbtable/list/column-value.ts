import { create, type DescField, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import { encodeJson } from "../../schema/json/json.ts";
import { isJsonMap, own } from "../../schema/json/json-map.ts";
import type { Column } from "../../schema/table/column.ts";

/**
 * The value of a field as its column compares it, ready to be bound: text, or bytes. Times and durations are cut to
 * microseconds, as their columns are.
 *
 * @param value as the message has it; of a Timestamp also a `Date`
 * @param field the name of the value in the error
 * @throws QuartetError `invalid_argument` when the value is none of the field's.
 */
export function columnValue(
  column: Column,
  value: unknown,
  registry: Registry,
  field: string,
): string | Uint8Array {
  const json = fieldJson(column.field, value, registry, field);
  const text = typeof json === "string" ? json : JSON.stringify(json);
  // The driver would look for U+FFFD in its place.
  if (!text.isWellFormed()) throw refused(field, value);
  switch (column.sqlType) {
    case "bytea":
      return Buffer.from(text, "base64");
    case "timestamptz":
      return text.replace(/(\.\d{6})\d+/, "$1");
    case "interval":
      return `${text.replace("s", "").replace(/(\.\d{6})\d+/, "$1")} seconds`;
    default:
      return text;
  }
}

/**
 * The ProtoJSON of one field of a message.
 *
 * @throws QuartetError `invalid_argument` when the value is none of the field's.
 */
export function fieldJson(field: DescField, value: unknown, registry: Registry, name: string): JsonValue {
  if (value === undefined || value === null) throw refused(name, value);
  const given = value instanceof Date ? timestampOf(value, name) : value;
  let json: JsonValue;
  try {
    json = encodeJson(field.parent, messageWith(field, given), registry);
  } catch (cause) {
    throw refused(name, value, cause);
  }
  const found = isJsonMap(json) ? own(json, field.jsonName) : undefined;
  if (found === undefined) throw refused(name, value);
  return found;
}

/** Reflection knows which scalars a field takes, and `create` what makes a message, list or map. */
function messageWith(field: DescField, value: unknown): Message {
  if (field.fieldKind === "scalar" || field.fieldKind === "enum") {
    const message = create(field.parent);
    reflect(field.parent, message).set(field, value);
    return message;
  }
  if (field.oneof === undefined) return create(field.parent, { [field.localName]: value });
  return create(field.parent, { [field.oneof.localName]: { case: field.localName, value } });
}

function timestampOf(date: Date, name: string) {
  if (Number.isNaN(date.getTime())) throw refused(name, date);
  return timestampFromDate(date);
}

function refused(name: string, value: unknown, cause?: unknown): QuartetError {
  const shown = typeof value === "object" && value !== null ? "this value" : String(value);
  const extras = cause === undefined ? { field: name } : { field: name, cause };
  return new QuartetError("invalid_argument", `${name} cannot be ${shown}.`, extras);
}
