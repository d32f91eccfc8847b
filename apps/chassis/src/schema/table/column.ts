import { type DescEnum, type DescField, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { quoteLiteral } from "../identifier.ts";

/** One generated column of a pbtable: how Postgres computes it from the row's JSON, and what TypeScript reads. */
export interface Column {
  /** Proto name of the field; of a path column, the names on the way joined by `_`. */
  readonly name: string;
  /** The field whose value the column shows. */
  readonly field: DescField;
  /** JSON names from the row to the value: one for a field of the row itself, more for a path column. */
  readonly path: readonly string[];
  readonly sqlType: string;
  /** Immutable SQL expression over `pb`; indexes are built on the very same text. */
  readonly expression: string;
  /** TypeScript type as `pg` reads it here (int8 as bigint, numeric as string). */
  readonly tsType: string;
  readonly nullable: boolean;
  /** SQL literal of the proto default; `null` where the column is nullable. */
  readonly zero: string;
  /** SQL expression of the ProtoJSON, as `jsonb`, of an SQL expression for a value of this column that is not NULL. */
  toJson(value: string): string;
}

interface ScalarColumn {
  readonly sqlType: string;
  readonly tsType: string;
  /** Makes the SQL value of the field's JSON text. */
  readonly cast: (text: string) => string;
  /** The inverse: makes `jsonb` of the SQL value. */
  readonly toJson: (value: string) => string;
  /** SQL literal of the proto default, for fields with implicit presence. */
  readonly zero: string;
}

const plainJson = (value: string) => `to_jsonb(${value})`;
/** ProtoJSON writes 64-bit integers as strings. */
const textJson = (value: string) => `to_jsonb((${value})::text)`;

/** ProtoJSON writes fractions of seconds with 0, 3, 6 or 9 digits. */
const shortFraction = (text: string, unit: string) =>
  `to_jsonb(regexp_replace(${text}, '(\\.000000|000)${unit}$', '${unit}'))`;

const text: ScalarColumn = {
  sqlType: "text",
  tsType: "string",
  cast: (t) => t,
  toJson: plainJson,
  zero: "''",
};
const int4 = numeric("integer", "number", plainJson);
const uint4 = numeric("bigint", "bigint", plainJson);
const int8 = numeric("bigint", "bigint", textJson);
const uint8 = numeric("numeric(20)", "string", textJson);
const float8 = numeric("double precision", "number", plainJson);
/** The double that a float is, digit by digit, is what ProtoJSON writes; the shortest digits may round out of range. */
const floatJson = (value: string) => `to_jsonb((${value})::real::float8)`;
const bool: ScalarColumn = {
  sqlType: "boolean",
  tsType: "boolean",
  cast: (t) => `(${t})::boolean`,
  toJson: plainJson,
  zero: "false",
};
const bytes: ScalarColumn = {
  sqlType: "bytea",
  tsType: "Uint8Array",
  cast: (t) => `decode(${t}, 'base64')`,
  // encode() breaks lines after 76 characters.
  toJson: (value) => `to_jsonb(translate(encode(${value}, 'base64'), E'\\n', ''))`,
  zero: "'\\x'::bytea",
};

const scalarColumns: Readonly<Record<ScalarType, ScalarColumn>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: bool,
  [ScalarType.BYTES]: bytes,
  [ScalarType.DOUBLE]: float8,
  [ScalarType.FLOAT]: numeric("real", "number", floatJson),
  [ScalarType.INT32]: int4,
  [ScalarType.SINT32]: int4,
  [ScalarType.SFIXED32]: int4,
  [ScalarType.UINT32]: uint4,
  [ScalarType.FIXED32]: uint4,
  [ScalarType.INT64]: int8,
  [ScalarType.SINT64]: int8,
  [ScalarType.SFIXED64]: int8,
  [ScalarType.UINT64]: uint8,
  [ScalarType.FIXED64]: uint8,
};

/** Columns of messages that ProtoJSON writes as a scalar. */
const wellKnownColumns: Readonly<Record<string, ScalarColumn>> = {
  "google.protobuf.Timestamp": {
    sqlType: "timestamptz",
    tsType: "Date",
    // Cut to microseconds, not rounded: the last nanoseconds of year 9999 must not become year 10000.
    cast: (t) =>
      `make_timestamp(substr(${t}, 1, 4)::int, substr(${t}, 6, 2)::int, substr(${t}, 9, 2)::int, ` +
      `substr(${t}, 12, 2)::int, substr(${t}, 15, 2)::int, rtrim(substr(${t}, 18, 9), 'Z')::float8) at time zone 'UTC'`,
    toJson: (value) =>
      shortFraction(`to_char((${value}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`, "Z"),
    zero: "null",
  },
  "google.protobuf.Duration": {
    sqlType: "interval",
    tsType: "string",
    // Hours apart from the rest: 10,000 years of seconds with their microseconds do not fit a double.
    cast: (t) => {
      const seconds = `rtrim(${t}, 's')::numeric`;
      return (
        `make_interval(hours => div(${seconds}, 3600)::int, ` +
        `secs => trunc(mod(${seconds}, 3600), 6)::float8)`
      );
    },
    toJson: (value) => shortFraction(`extract(epoch from ${value})::numeric(18, 6) || 's'`, "s"),
    zero: "null",
  },
  "google.protobuf.FieldMask": text,
  "google.protobuf.StringValue": text,
  "google.protobuf.BytesValue": bytes,
  "google.protobuf.BoolValue": bool,
  "google.protobuf.Int32Value": int4,
  "google.protobuf.UInt32Value": uint4,
  "google.protobuf.Int64Value": int8,
  "google.protobuf.UInt64Value": uint8,
  "google.protobuf.FloatValue": { ...float8, toJson: floatJson },
  "google.protobuf.DoubleValue": float8,
};

/** The column of a field of the row itself. Repeated fields, maps and messages become `jsonb`. */
export function columnOf(field: DescField): Column {
  return columnAt([field]);
}

/**
 * The column of a value inside the row.
 *
 * @param fields from a field of the row to the value: all but the last are singular messages
 */
export function columnAt(fields: readonly [DescField, ...DescField[]]): Column {
  const field = fields.at(-1) ?? fields[0];
  const path = fields.map((step) => step.jsonName);
  const scalar = scalarOf(field);
  const base = { name: fields.map((step) => step.name).join("_"), field, path };
  const parent = path.slice(0, -1).reduce((json, name) => `${json} -> ${quoteLiteral(name)}`, "pb");
  const key = quoteLiteral(field.jsonName);
  if (scalar === undefined) {
    const expression = `(${parent} -> ${key})`;
    const toJson = (value: string) => value;
    return { ...base, sqlType: "jsonb", expression, tsType: "unknown", nullable: true, zero: "null", toJson };
  }
  const value = scalar.cast(`(${parent} ->> ${key})`);
  const { sqlType, tsType, toJson, zero } = scalar;
  const common = { ...base, sqlType, tsType, toJson };
  if (hasPresence(field)) return { ...common, expression: `(${value})`, nullable: true, zero: "null" };
  // Rows written before the field existed lack the key: they read as the proto default.
  const defaulted = `coalesce(${value}, ${zero})`;
  if (path.length === 1) return { ...common, expression: defaulted, nullable: false, zero };
  const expression = `(case when jsonb_typeof(${parent}) = 'object' then ${defaulted} end)`;
  return { ...common, expression, nullable: true, zero };
}

function scalarOf(field: DescField): ScalarColumn | undefined {
  if (field.fieldKind === "scalar") return scalarColumns[field.scalar];
  if (field.fieldKind === "message") return wellKnownColumns[field.message.typeName];
  if (field.fieldKind !== "enum") return undefined;
  const zero = field.enum.values[0]?.jsonName ?? "";
  return { ...text, toJson: enumJson(field.enum), zero: quoteLiteral(zero) };
}

/** ProtoJSON writes the first name of a number, and numbers without a name as numbers. */
function enumJson(desc: DescEnum): (value: string) => string {
  if (desc.typeName === "google.protobuf.NullValue")
    return (value) => `case when ${value} is not null then 'null'::jsonb end`;
  const names = new Map<string, string>();
  for (const { number, name, jsonName } of desc.values) {
    const canonical = names.get(String(number)) ?? jsonName;
    names.set(String(number), canonical);
    for (const other of [name, jsonName]) if (other !== canonical) names.set(other, canonical);
  }
  const canonical = `${quoteLiteral(JSON.stringify(Object.fromEntries(names)))}::jsonb`;
  return (value) =>
    `coalesce(${canonical} -> ${value}, ` +
    `case when ${value} ~ '^-?[0-9]+$' then to_jsonb((${value})::int) else to_jsonb(${value}) end)`;
}

/** Whether a field tells "absent" from "zero"; true for messages, members of a oneof and `optional` fields. */
export function hasPresence(field: DescField): boolean {
  return field.presence === FeatureSet_FieldPresence.EXPLICIT;
}

function numeric(sqlType: string, tsType: string, toJson: (value: string) => string): ScalarColumn {
  return { sqlType, tsType, cast: (t) => `(${t})::${sqlType}`, toJson, zero: `0::${sqlType}` };
}
