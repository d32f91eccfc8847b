import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { anyPack, ListValueSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import type { LooseMessage } from "./test-schema.ts";

/** Text that Postgres can hold: any Unicode but U+0000. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }).map((value) => value.replaceAll("\0", "")),
  fc.constantFrom("", "it's", '"', "\\", "\\u0000", "null", "né 漢 🎻", "\u2028"),
);
/**
 * A key of a map. Without backslashes: JSON.parse of V8 13 (Node 24) takes a key written with an escape for another
 * key that has a backslash there and came at the same place of an earlier object.
 */
const mapKey = fc.oneof(
  { weight: 9, arbitrary: text.map((value) => value.replaceAll("\\", "/")) },
  { weight: 1, arbitrary: fc.constant("__proto__") },
);
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
/** 10,000 years either way; nanoseconds have the sign of the seconds. */
const duration = fc
  .record({
    sign: fc.constantFrom(1, -1),
    seconds: fc.oneof(fc.bigInt({ min: 0n, max: 315_575_999_999n }), fc.constantFrom(0n, 1n, 3_599n)),
    nanos,
  })
  .map((parts) => ({ seconds: BigInt(parts.sign) * parts.seconds, nanos: parts.sign * parts.nanos || 0 }));

const jsonValue: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    text,
    double.filter(Number.isFinite),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(mapKey, tie("value"), { maxKeys: 3 }),
  ),
})).value;

/** Messages whose ProtoJSON is no object of their fields. */
const wellKnown: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  "google.protobuf.Timestamp": fc.record({ seconds, nanos }),
  "google.protobuf.Duration": duration,
  "google.protobuf.FieldMask": fc.record({ paths: fc.array(fc.constantFrom("a", "b_c", "d.e_f")) }),
  "google.protobuf.Struct": fc.dictionary(mapKey, jsonValue, { maxKeys: 3 }),
  "google.protobuf.Value": jsonValue.map((json) => fromJson(ValueSchema, json)),
  "google.protobuf.ListValue": fc
    .array(jsonValue, { maxLength: 3 })
    .map((json) => fromJson(ListValueSchema, json)),
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

/** Any enum of a test has these, or keeps the numbers that have no name. */
const enumNumber = fc.constantFrom(0, 1, 2, 77);

/** How deep messages are nested, at most. */
const defaultDepth = 2;

/**
 * Random messages of any type: any field may be absent, zero or extreme.
 *
 * @param depth messages below this many others are empty, and there is no Any
 */
export function arbitraryMessage(
  desc: DescMessage,
  depth: number = defaultDepth,
): fc.Arbitrary<LooseMessage> {
  const init = (field: DescField) => arbitraryOf(field, depth);
  const plain = desc.fields.filter((field) => field.oneof === undefined && init(field) !== undefined);
  const values = Object.fromEntries(
    plain.map((field) => [field.localName, init(field) ?? fc.constant(undefined)]),
  );
  const oneofs = Object.fromEntries(
    desc.oneofs.map((oneof) => {
      const members = oneof.fields.flatMap(
        (field) => init(field)?.map((value) => ({ case: field.localName, value })) ?? [],
      );
      return [oneof.localName, fc.oneof(fc.constant({ case: undefined }), ...members)];
    }),
  );
  return fc
    .record({ ...values, ...oneofs }, { requiredKeys: [] })
    .map((fields) => create(desc, fields) as LooseMessage);
}

/** The init of a field; undefined where the depth allows none. */
function arbitraryOf(field: DescField, depth: number): fc.Arbitrary<unknown> | undefined {
  const element = elementOf(field, depth);
  if (element === undefined) return undefined;
  if (field.fieldKind === "list") return fc.array(element, { maxLength: 3 });
  if (field.fieldKind !== "map") return element;
  return fc.dictionary(mapKeyOf(field.mapKey), element, { maxKeys: 3 });
}

function elementOf(field: DescField, depth: number): fc.Arbitrary<unknown> | undefined {
  if (field.scalar !== undefined) return scalars[field.scalar];
  const { message } = field;
  if (message === undefined)
    return field.enum?.typeName === "google.protobuf.NullValue" ? fc.constant(0) : enumNumber;
  if (message.typeName === "google.protobuf.Any") return depth > 0 ? anyOf(field.parent) : undefined;
  return known(field, message) ?? (depth > 0 ? arbitraryMessage(message, depth - 1) : undefined);
}

/** Struct and wrappers are plain values in singular fields alone; in lists and maps Struct is, wrappers are messages. */
function known(field: DescField, message: DescMessage): fc.Arbitrary<unknown> | undefined {
  const value = wellKnown[message.typeName];
  const wrapper = /\.(String|Bytes|Bool|U?Int(32|64)|Float|Double)Value$/.test(message.typeName);
  const inside = field.fieldKind === "list" || field.fieldKind === "map" || field.oneof !== undefined;
  return wrapper && inside && value !== undefined
    ? value.map((inner) => create(message, { value: inner } as Record<string, unknown>))
    : value;
}

/** An Any of the first message of the file. */
function anyOf({ file }: DescMessage): fc.Arbitrary<Message> | undefined {
  const [desc] = file.messages;
  return desc && arbitraryMessage(desc, 0).map((message) => anyPack(desc, message));
}

function mapKeyOf(type: ScalarType): fc.Arbitrary<string> {
  return type === ScalarType.STRING ? mapKey : scalars[type].map(String);
}
