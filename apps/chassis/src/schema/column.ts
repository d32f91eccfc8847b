import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { quoteLiteral } from "./identifier.ts";

/** One generated column of a pbtable: how Postgres computes it from the row's JSON, and what TypeScript reads. */
export interface Column {
  /** Proto name of the field, which is the column's name. */
  readonly name: string;
  readonly jsonName: string;
  readonly sqlType: string;
  /** Immutable SQL expression over `pb`; indexes are built on the very same text. */
  readonly expression: string;
  /** TypeScript type as `pg` reads it here (int8 as bigint, numeric as string). */
  readonly tsType: string;
  readonly nullable: boolean;
}

interface ScalarColumn {
  readonly sqlType: string;
  readonly tsType: string;
  /** Makes the SQL value of the field's JSON text. */
  readonly cast: (text: string) => string;
  /** SQL literal of the proto default, for fields with implicit presence. */
  readonly zero: string;
}

const text: ScalarColumn = { sqlType: "text", tsType: "string", cast: (t) => t, zero: "''" };
const int4 = numeric("integer", "number");
const int8 = numeric("bigint", "bigint");
const wide = numeric("numeric(20)", "string");
const float8 = numeric("double precision", "number");
const bytes: ScalarColumn = {
  sqlType: "bytea",
  tsType: "Uint8Array",
  cast: (t) => `decode(${t}, 'base64')`,
  zero: "'\\x'::bytea",
};

const scalarColumns: Readonly<Record<ScalarType, ScalarColumn>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: {
    sqlType: "boolean",
    tsType: "boolean",
    cast: (t) => `(${t})::boolean`,
    zero: "false",
  },
  [ScalarType.BYTES]: bytes,
  [ScalarType.DOUBLE]: float8,
  [ScalarType.FLOAT]: numeric("real", "number"),
  [ScalarType.INT32]: int4,
  [ScalarType.SINT32]: int4,
  [ScalarType.SFIXED32]: int4,
  [ScalarType.UINT32]: int8,
  [ScalarType.FIXED32]: int8,
  [ScalarType.INT64]: int8,
  [ScalarType.SINT64]: int8,
  [ScalarType.SFIXED64]: int8,
  [ScalarType.UINT64]: wide,
  [ScalarType.FIXED64]: wide,
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
    zero: "null",
  },
  "google.protobuf.Duration": text,
  "google.protobuf.FieldMask": text,
  "google.protobuf.StringValue": text,
  "google.protobuf.BytesValue": bytes,
  "google.protobuf.BoolValue": scalarColumns[ScalarType.BOOL],
  "google.protobuf.Int32Value": int4,
  "google.protobuf.UInt32Value": int8,
  "google.protobuf.Int64Value": int8,
  "google.protobuf.UInt64Value": wide,
  "google.protobuf.FloatValue": float8,
  "google.protobuf.DoubleValue": float8,
};

/** The column of a field. Repeated fields, maps and messages become `jsonb`. */
export function columnOf(field: DescField): Column {
  const key = quoteLiteral(field.jsonName);
  const scalar = scalarOf(field);
  const base = { name: field.name, jsonName: field.jsonName };
  if (scalar === undefined) {
    return { ...base, sqlType: "jsonb", expression: `(pb -> ${key})`, tsType: "unknown", nullable: true };
  }
  const value = scalar.cast(`(pb ->> ${key})`);
  const nullable = hasPresence(field);
  return {
    ...base,
    sqlType: scalar.sqlType,
    // Rows written before the field existed lack the key: they read as the proto default.
    expression: nullable ? `(${value})` : `coalesce(${value}, ${scalar.zero})`,
    tsType: scalar.tsType,
    nullable,
  };
}

function scalarOf(field: DescField): ScalarColumn | undefined {
  if (field.fieldKind === "scalar") return scalarColumns[field.scalar];
  if (field.fieldKind === "message") return wellKnownColumns[field.message.typeName];
  if (field.fieldKind !== "enum") return undefined;
  const zero = field.enum.values[0]?.name ?? "";
  return { ...text, zero: quoteLiteral(zero) };
}

/** Whether a field tells "absent" from "zero"; true for messages, members of a oneof and `optional` fields. */
export function hasPresence(field: DescField): boolean {
  return field.presence === FeatureSet_FieldPresence.EXPLICIT;
}

function numeric(sqlType: string, tsType: string): ScalarColumn {
  return { sqlType, tsType, cast: (t) => `(${t})::${sqlType}`, zero: `0::${sqlType}` };
}
