import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { invalidArgument, quote } from "./invalid-argument.ts";

/** How a field's value is written as plain text, in a path or a query parameter. */
type TextKind =
  | { readonly kind: "scalar"; readonly scalar: ScalarType }
  | { readonly kind: "enum"; readonly enum: DescEnum }
  | { readonly kind: "duration" }
  | { readonly kind: "verbatim" };

/** Whether a value (for a repeated field: an item) of the field can be written as plain text. */
export function takesText(field: DescField): boolean {
  return textKind(field) !== undefined;
}

/**
 * The ProtoJSON of a field's value, or of one item of a repeated field, given as plain text. Ranges are left to
 * ProtoJSON; spelling is checked here because it is laxer there (`0x10`, `1e2` and ` 5` are not integers in a URL).
 *
 * @throws QuartetError `invalid_argument` with `path` as the field.
 */
export function parseTextValue(field: DescField, text: string, path: string): JsonValue {
  const kind = textKind(field);
  switch (kind?.kind) {
    case "scalar":
      return parseScalar(kind.scalar, text, path);
    case "enum":
      return parseEnum(kind.enum, text, path);
    case "duration":
      return checked(text, /^-?\d+(\.\d{1,9})?s$/, "a duration such as 1.5s", path);
    case "verbatim":
      return text;
    default:
      throw invalidArgument(path, "a value of this type cannot be given as text");
  }
}

/** The inverse of {@link parseTextValue} for JSON made by `toJson`. */
export function formatTextValue(json: JsonValue): string {
  if (json === null) return "NULL_VALUE"; // The only scalar that ProtoJSON writes as null: google.protobuf.NullValue.
  return Object.is(json, -0) ? "-0" : String(json);
}

function textKind(field: DescField): TextKind | undefined {
  if (field.fieldKind === "map") return undefined;
  if (field.enum !== undefined) return { kind: "enum", enum: field.enum };
  if (field.message !== undefined) return messageTextKind(field.message);
  return { kind: "scalar", scalar: field.scalar };
}

function messageTextKind(message: DescMessage): TextKind | undefined {
  if (isWrapperDesc(message)) return { kind: "scalar", scalar: message.fields[0].scalar };
  switch (message.typeName) {
    case "google.protobuf.Duration":
      return { kind: "duration" };
    case "google.protobuf.Timestamp":
    case "google.protobuf.FieldMask":
      return { kind: "verbatim" };
    default:
      return undefined;
  }
}

function parseScalar(scalar: ScalarType, text: string, path: string): JsonValue {
  switch (scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BYTES:
      return checked(text, /^[A-Za-z0-9+/_-]*={0,2}$/, "base64", path);
    case ScalarType.BOOL:
      return checked(text, /^(true|false)$/, "true or false", path) === "true";
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return checked(text, /^(NaN|-?Infinity|-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$/, "a number", path);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return checked(text, /^-?\d+$/, "an integer", path);
    default:
      return Number(checked(text, /^-?\d+$/, "an integer", path));
  }
}

function parseEnum(type: DescEnum, text: string, path: string): JsonValue {
  if (type.values.some((value) => value.name === text || value.jsonName === text)) return text;
  if (/^-?\d+$/.test(text)) return Number(text);
  const names = type.values.slice(0, 10).map((value) => value.name);
  const more = type.values.length > names.length ? ", …" : "";
  throw invalidArgument(path, `expected one of ${names.join(", ")}${more}, got ${quote(text)}`);
}

function checked(text: string, pattern: RegExp, expected: string, path: string): string {
  if (pattern.test(text)) return text;
  throw invalidArgument(path, `expected ${expected}, got ${quote(text)}`);
}
