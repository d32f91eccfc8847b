import { type DescField, type DescMessage, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { LineSchema, type LooseMessage, make } from "./test-schema.ts";

/** Text that Postgres can hold: any Unicode but U+0000. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }).map((value) => value.replaceAll("\0", "")),
  fc.constantFrom("", "it's", '"', "\\", "\\u0000", "null", "né 漢 🎻", "\u2028"),
);
/**
 * A key of a map. Without backslashes: JSON.parse of V8 13 (Node 24) takes a key written with an escape for another
 * key that has a backslash there and came at the same place of an earlier object.
 */
const mapKey = text.map((value) => value.replaceAll("\\", "/"));
/** jsonb has no negative zero. */
const double = fc.double().map((value) => (value === 0 ? 0 : value));
const float = fc.float().map((value) => (value === 0 ? 0 : value));
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 12 });

const scalars: Readonly<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.DOUBLE]: double,
  [ScalarType.FLOAT]: float,
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.STRING]: text,
  [ScalarType.BYTES]: bytes,
};

const nanos = fc.oneof(fc.integer({ min: 0, max: 999_999_999 }), fc.constantFrom(0, 1, 999_999_999));
/** 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z. */
const seconds = fc.oneof(
  fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }),
  fc.constantFrom(-62_135_596_800n, 253_402_300_799n, 0n, -1n),
);

const line: fc.Arbitrary<LooseMessage> = fc
  .record({ sku: text, quantity: int64, status: fc.constantFrom(0, 1, 2) })
  .map((init) => make(LineSchema, init));

const structValue: fc.Arbitrary<JsonValue> = fc.oneof(
  text,
  double.filter(Number.isFinite),
  fc.boolean(),
  fc.constant(null),
);

/** Singular fields whose messages are values of their own kind. */
const wellKnown: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  "google.protobuf.Timestamp": fc.record({ seconds, nanos }),
  "google.protobuf.Duration": fc.record({ seconds: fc.bigInt({ min: 0n, max: 315_576_000_000n }), nanos }),
  "google.protobuf.FieldMask": fc.record({ paths: fc.array(fc.constantFrom("a", "b_c", "d.e_f")) }),
  "google.protobuf.Struct": fc.dictionary(
    mapKey,
    fc.oneof(structValue, fc.array(structValue, { maxLength: 2 })),
  ),
  "google.protobuf.Any": line.map((value) => anyPack(LineSchema, value)),
  "google.protobuf.StringValue": text,
  "google.protobuf.BytesValue": bytes,
  "google.protobuf.BoolValue": fc.boolean(),
  "google.protobuf.Int32Value": int32,
  "google.protobuf.UInt32Value": uint32,
  "google.protobuf.Int64Value": int64,
  "google.protobuf.UInt64Value": uint64,
  "google.protobuf.FloatValue": float,
  "google.protobuf.DoubleValue": double,
};

/** Random messages of a test type: any field may be absent, zero or extreme. */
export function arbitraryMessage(desc: DescMessage): fc.Arbitrary<LooseMessage> {
  const plain = desc.fields.filter((field) => field.oneof === undefined);
  const values = Object.fromEntries(plain.map((field) => [field.localName, arbitraryOf(field)]));
  const oneofs = Object.fromEntries(
    desc.oneofs.map((oneof) => [
      oneof.localName,
      fc.oneof(
        ...oneof.fields.map((field) => arbitraryOf(field).map((value) => ({ case: field.localName, value }))),
      ),
    ]),
  );
  return fc.record({ ...values, ...oneofs }, { requiredKeys: [] }).map((init) => make(desc, init));
}

function arbitraryOf(field: DescField): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return scalars[field.scalar];
    case "enum":
      return enumNumber;
    case "message":
      return wellKnown[field.message.typeName] ?? line;
    case "list":
      return fc.array(elementOf(field), { maxLength: 3 });
    case "map":
      return fc.dictionary(fc.oneof(mapKey, fc.constant("__proto__")), elementOf(field), { maxKeys: 3 });
  }
}

/** Numbers without a name are kept as numbers. */
const enumNumber = fc.constantFrom(0, 1, 2, 77);

function elementOf(field: DescField & { fieldKind: "list" | "map" }): fc.Arbitrary<unknown> {
  if (field.scalar !== undefined) return scalars[field.scalar];
  return field.message === undefined ? enumNumber : line;
}
