import { type DescEnum, type DescField, ScalarType } from "@bufbuild/protobuf";
import { quoteLiteral } from "../../schema/identifier.ts";
import { wideScalars } from "./view-value.ts";

/** A value that a column refuses, whatever the other columns are. */
export interface Refusal {
  /** SQL condition over the value. */
  readonly when: (value: string) => string;
  readonly sqlState: string;
  /** What the column takes instead. */
  readonly takes: string;
}

const outOfRange = "22003"; // numeric_value_out_of_range
const malformed = "22P02"; // invalid_text_representation

/** The values that a field's column can hold and the field cannot. */
export function refusalsOf(field: DescField): readonly Refusal[] {
  if (field.fieldKind === "scalar") return scalarRefusals[field.scalar] ?? [];
  if (field.fieldKind === "enum") return [enumRefusal(field.enum)];
  if (field.fieldKind === "message")
    return messageRefusals[field.message.typeName] ?? [jsonRefusal("object")];
  const container = jsonRefusal(field.fieldKind === "list" ? "array" : "object");
  const element = elementRefusal(field);
  return element === undefined ? [container] : [container, element];
}

function between(low: string, high: string, takes = `${low} to ${high}`): Refusal {
  return { when: (value) => `${value} not between ${low} and ${high}`, sqlState: outOfRange, takes };
}

const uint32 = [between("0", "4294967295")];
const uint64 = [between("0", "18446744073709551615")];
/** What rounds to a float: half a step beyond the largest one is infinite. */
const float: readonly Refusal[] = [
  {
    when: (value) =>
      `abs(${value}) >= 3.4028235677973366e38 and ${value} not in ('Infinity', '-Infinity', 'NaN')`,
    sqlState: outOfRange,
    takes: "single precision",
  },
];

/** Scalars whose column holds more than they do. */
const scalarRefusals: Readonly<Partial<Record<ScalarType, readonly Refusal[]>>> = {
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
};

const messageRefusals: Readonly<Record<string, readonly Refusal[]>> = {
  "google.protobuf.Timestamp": [
    between(
      "'0001-01-01 00:00:00+00'::timestamptz",
      "'9999-12-31 23:59:59.999999+00'::timestamptz",
      "the years 0001 to 9999 (UTC)",
    ),
  ],
  "google.protobuf.Duration": [
    {
      when: (value) => `abs(extract(epoch from ${value})) > 315576000000`,
      sqlState: outOfRange,
      takes: "at most 315576000000 seconds",
    },
    {
      when: (value) => `(extract(year from ${value}) <> 0 or extract(month from ${value}) <> 0)`,
      sqlState: malformed,
      takes: "days, hours, minutes and seconds (a month has no length)",
    },
  ],
  "google.protobuf.FieldMask": [
    {
      when: (value) => `strpos(${value}, '_') > 0`,
      sqlState: malformed,
      takes: "lowerCamelCase paths with commas between",
    },
  ],
  "google.protobuf.StringValue": [],
  "google.protobuf.BytesValue": [],
  "google.protobuf.BoolValue": [],
  "google.protobuf.Int32Value": [],
  "google.protobuf.UInt32Value": uint32,
  "google.protobuf.Int64Value": [],
  "google.protobuf.UInt64Value": uint64,
  "google.protobuf.FloatValue": float,
  "google.protobuf.DoubleValue": [],
  "google.protobuf.Value": [],
  "google.protobuf.ListValue": [jsonRefusal("array")],
  "google.protobuf.Any": [
    jsonRefusal("object"),
    {
      when: (value) =>
        `${value} not in ('{}', 'null') and jsonb_typeof(${value} -> '@type') is distinct from 'string'`,
      sqlState: malformed,
      takes: 'a JSON object with "@type"',
    },
  ],
};

/** JSON null stands for NULL. */
function jsonRefusal(kind: "array" | "object"): Refusal {
  return {
    when: (value) => `jsonb_typeof(${value}) not in ('${kind}', 'null')`,
    sqlState: malformed,
    takes: `a JSON ${kind}`,
  };
}

/** Names and numbers; numbers without a name only where the enum is open. */
function enumRefusal(desc: DescEnum): Refusal {
  const names = desc.values.flatMap((value) => [...new Set([value.jsonName, value.name])]);
  const numbers = desc.open ? [] : desc.values.map((value) => String(value.number));
  const known = [...names, ...numbers].map(quoteLiteral).join(", ");
  const isNumber = (value: string) => (desc.open ? ` and ${value} !~ '^(0|-?[1-9][0-9]{0,9})$'` : "");
  return {
    when: (value) => `${value} not in (${known})${isNumber(value)}`,
    sqlState: malformed,
    takes: `a name of ${desc.typeName}`,
  };
}

/** Refuses arrays and objects with an element of the wrong JSON type. What is inside the elements is not looked at. */
function elementRefusal(field: DescField & { fieldKind: "list" | "map" }): Refusal | undefined {
  const element = elementJson(field);
  if (element === undefined) return undefined;
  const elements = field.fieldKind === "list" ? "[*]" : ".*";
  return {
    when: (value) => `${value} @? ${quoteLiteral(`strict $${elements} ? (${element.wrong})`)}`,
    sqlState: malformed,
    takes: `a JSON ${field.fieldKind === "list" ? "array" : "object"} of ${element.takes}`,
  };
}

interface ElementJson {
  /** jsonpath condition of an element that is none. */
  readonly wrong: string;
  readonly takes: string;
}

const strings: ElementJson = { wrong: '@.type() != "string"', takes: "strings" };
const numbers: ElementJson = { wrong: '@.type() != "number"', takes: "numbers" };
const booleans: ElementJson = { wrong: '@.type() != "boolean"', takes: "booleans" };
const objects: ElementJson = { wrong: '@.type() != "object"', takes: "objects" };
const digits: ElementJson = {
  wrong: '@.type() != "string" || !(@ like_regex "^-?[0-9]{1,20}$")',
  takes: "64-bit numbers as strings",
};
const floats: ElementJson = {
  wrong:
    '@.type() != "number" && (@.type() != "string" || @ != "NaN" && @ != "Infinity" && @ != "-Infinity")',
  takes: "numbers",
};

const messageJson: Readonly<Record<string, ElementJson | undefined>> = {
  "google.protobuf.Timestamp": strings,
  "google.protobuf.Duration": strings,
  "google.protobuf.FieldMask": strings,
  "google.protobuf.StringValue": strings,
  "google.protobuf.BytesValue": strings,
  "google.protobuf.BoolValue": booleans,
  "google.protobuf.Int32Value": numbers,
  "google.protobuf.UInt32Value": numbers,
  "google.protobuf.Int64Value": digits,
  "google.protobuf.UInt64Value": digits,
  "google.protobuf.FloatValue": floats,
  "google.protobuf.DoubleValue": floats,
  "google.protobuf.Value": undefined,
  "google.protobuf.ListValue": { wrong: '@.type() != "array"', takes: "arrays" },
};

function elementJson(field: DescField & { fieldKind: "list" | "map" }): ElementJson | undefined {
  if (field.enum !== undefined) return enumJson(field.enum);
  if (field.message !== undefined) {
    const { typeName } = field.message;
    return Object.hasOwn(messageJson, typeName) ? messageJson[typeName] : objects;
  }
  if (field.scalar === ScalarType.BOOL) return booleans;
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) return strings;
  if (field.scalar === ScalarType.FLOAT || field.scalar === ScalarType.DOUBLE) return floats;
  return field.scalar !== undefined && wideScalars.has(field.scalar) ? digits : numbers;
}

/** Names, which another build may know, and numbers. */
function enumJson(desc: DescEnum): ElementJson | undefined {
  if (desc.typeName === "google.protobuf.NullValue") return undefined;
  return { wrong: '@.type() != "string" && @.type() != "number"', takes: "enum names" };
}
