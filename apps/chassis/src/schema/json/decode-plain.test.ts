import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryMessage } from "../test-arbitrary.ts";
import { EverythingSchema, LineSchema, make, testRegistry } from "../test-schema.ts";
import { decodePlain } from "./decode-plain.ts";
import { decodeStoredJson, encodeJson } from "./json.ts";

/** As Postgres gives it back. */
const stored = (json: JsonValue): JsonValue => JSON.parse(JSON.stringify(json));

/** What other builds, and people, may write where ProtoJSON is expected. */
const odd: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(
    null,
    "",
    "1",
    "-7",
    1.5,
    -1,
    2 ** 31,
    2 ** 32,
    true,
    "NaN",
    "STATUS_FUTURE",
    "/w==",
    "_w",
  ),
  fc.constantFrom<JsonValue>(
    [],
    [null],
    {},
    { sku: 1 },
    [{ sku: "a" }],
    { a: null },
    1e39,
    "9223372036854775808",
  ),
  fc.constantFrom<JsonValue>(
    "2024-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01",
  ),
  fc.constantFrom<JsonValue>(
    "2024-01-01T00:00:00.123Z",
    "2024-01-01T00:00:00+01:00",
    "18446744073709551616",
    "007",
  ),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>,
);
const names = EverythingSchema.fields.flatMap(({ name, jsonName }) => [name, jsonName]);

describe("decodePlain", () => {
  test("reads what was stored as the general decoder does, or leaves it to that", () => {
    fc.assert(
      fc.property(arbitraryMessage(EverythingSchema), (message) => {
        const json = stored(encodeJson(EverythingSchema, message, testRegistry));
        const plain = decodePlain(EverythingSchema, json);
        if (plain !== undefined)
          expect(plain).toEqual(decodeStoredJson(EverythingSchema, json, testRegistry));
      }),
      { numRuns: 500 },
    );
  });

  test("reads all that was stored of messages without special types", () => {
    const special = EverythingSchema.fields.filter(
      ({ message }) =>
        message?.typeName.startsWith("google.protobuf.") && !message.typeName.endsWith("Timestamp"),
    );
    fc.assert(
      fc.property(arbitraryMessage(EverythingSchema), (init) => {
        const message = {
          ...init,
          ...Object.fromEntries(special.map(({ localName }) => [localName, undefined])),
        };
        const json = stored(encodeJson(EverythingSchema, make(EverythingSchema, message), testRegistry));
        fc.pre(!/"(NaN|-?Infinity)"|:77\b|\[77|,77|__proto__/.test(JSON.stringify(json)));
        expect(decodePlain(EverythingSchema, json)).toEqual(
          decodeStoredJson(EverythingSchema, json, testRegistry),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("reads any JSON as the general decoder does, or leaves it to that", () => {
    const fields = fc.dictionary(
      fc.oneof(fc.constantFrom(...names), fc.constantFrom("__proto__", "future")),
      odd,
      {
        maxKeys: 4,
      },
    );
    fc.assert(
      fc.property(fields, (json) => {
        const plain = decodePlain(EverythingSchema, json as JsonObject);
        if (plain === undefined) return;
        expect(plain).toEqual(decodeStoredJson(EverythingSchema, json as JsonObject, testRegistry));
      }),
      { numRuns: 3_000 },
    );
  });

  test("reads scalars, enums, times, oneofs, messages, lists and maps by itself", () => {
    const message = make(EverythingSchema, {
      id: "é",
      fInt64: -(2n ** 63n),
      fUint64: 2n ** 64n - 1n,
      fUint32: 2 ** 32 - 1,
      fFloat: Math.fround(0.1),
      fBytes: Uint8Array.of(1, 255),
      oBool: false,
      wTimestamp: { seconds: -62_135_596_800n, nanos: 1_000_000 },
      status: 2,
      payment: { case: "cents", value: 3n },
      line: { sku: "a", parts: [{ sku: "b" }] },
      lines: [{ quantity: 1n }],
      tags: ["x"],
      statuses: [1],
      labels: { a: "b" },
      lineOf: { k: make(LineSchema, {}) },
    });
    expect(
      decodePlain(EverythingSchema, stored(encodeJson(EverythingSchema, message, testRegistry))),
    ).toEqual(message);
  });

  test.each<[string, JsonValue]>([
    ["an unknown name of an enum", { status: "STATUS_FUTURE" }],
    ["a name of the proto", { f_int32: 1 }],
    ["two members of a oneof", { card: "1", cents: "2" }],
    ["null", { fInt32: null }],
    ["an Any", { any: { "@type": "type.googleapis.com/test.v1.Line" } }],
    ["no object", []],
  ])("leaves %s to others", (_, json) => {
    expect(decodePlain(EverythingSchema, json)).toBeUndefined();
  });
});
