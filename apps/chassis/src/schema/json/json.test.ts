import {
  clone,
  create,
  type DescMessage,
  fromBinary,
  type JsonObject,
  type JsonValue,
  toBinary,
} from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryMessage } from "../test-arbitrary.ts";
import { EverythingSchema, type LooseMessage, make, testRegistry } from "../test-schema.ts";
import { decodeStoredJson, encodeJson, requireKnownAnys } from "./json.ts";
import { newBuild, oldBuild, type TestBuild } from "./test-builds.ts";

/** How a build reads the stored JSON of an order. */
function read(build: TestBuild, json: JsonValue): LooseMessage {
  return decodeStoredJson(build.message("Order"), json, build.registry) as LooseMessage;
}

function write(build: TestBuild, order: LooseMessage, name = "Order"): JsonObject {
  return encodeJson(build.message(name), order, build.registry) as JsonObject;
}

const gift = { "@type": "type.googleapis.com/shop.v1.Gift", text: "for you", colours: ["red"] };
const line = {
  "@type": "type.googleapis.com/shop.v1.Line",
  sku: "a",
  quantity: 2,
  kind: "KIND_PLAIN",
  parts: [],
};

test("any message comes back as it was, and is the same JSON again", () => {
  fc.assert(
    fc.property(arbitraryMessage(EverythingSchema), (message) => {
      const json = encodeJson(EverythingSchema, message, testRegistry);
      const again = decodeStoredJson(EverythingSchema, json, testRegistry);
      expect(encodeJson(EverythingSchema, again, testRegistry)).toEqual(json);
    }),
    { numRuns: 50 },
  );
});

describe("an Any of a type this build does not know", () => {
  const stored = { extra: gift, extras: [line, gift, line], extraOf: { k: gift } };

  test("reads as its type without a value, wherever it is", () => {
    const order = read(oldBuild, stored) as LooseMessage & { extra: Any; extras: Any[]; extraOf: { k: Any } };
    for (const any of [order.extra, order.extras[1], order.extraOf.k]) {
      expect(any).toMatchObject({ typeUrl: gift["@type"], value: new Uint8Array() });
    }
    expect(order.extras[2]?.value.length).toBeGreaterThan(0);
  });

  test("is written as it was read, even by a copy", () => {
    const order = read(oldBuild, stored);
    const desc = oldBuild.message("Order");
    expect(write(oldBuild, order)).toMatchObject(stored);
    expect(write(oldBuild, clone(desc, order) as LooseMessage)).toMatchObject(stored);
    expect(write(oldBuild, fromBinary(desc, toBinary(desc, order)) as LooseMessage)).toMatchObject(stored);
    const other = make(desc, { orderId: "other", extra: order["extra"], extras: [order["extra"]] });
    expect(write(oldBuild, other)).toMatchObject({ orderId: "other", extra: gift, extras: [gift] });
  });

  test("is written as it was read inside of another Any, of a type that is known", () => {
    const inner = { "@type": "type.googleapis.com/shop.v1.Order", orderId: "b", extra: gift };
    const deeper = { "@type": "type.googleapis.com/google.protobuf.Any", value: gift };
    const json = { extra: inner, extras: [{ ...inner, extra: { ...inner, extras: [gift] } }] };
    expect(write(oldBuild, read(oldBuild, json))).toMatchObject(json);
    expect(write(oldBuild, read(oldBuild, { extra: deeper }))["extra"]).toEqual({
      "@type": deeper["@type"],
      value: gift,
    });
    const known = make(newBuild.message("Gift"), {
      text: "x",
      inner: anyPack(oldBuild.message("Line"), make(oldBuild.message("Line"), {})),
    });
    expect(write(newBuild, known, "Gift")["inner"]).toMatchObject({ sku: "" });
  });

  test("is its new content once it was made another", () => {
    const order = read(oldBuild, stored) as LooseMessage & { extra: Any };
    anyPack(oldBuild.message("Line"), make(oldBuild.message("Line"), { sku: "mine" }), order.extra);
    expect(write(oldBuild, order)["extra"]).toMatchObject({ "@type": line["@type"], sku: "mine" });
    order.extra.typeUrl = "type.googleapis.com/shop.v1.Unheard";
    order.extra.value = new Uint8Array();
    expect(write(oldBuild, order)["extra"]).toEqual({ "@type": "type.googleapis.com/shop.v1.Unheard" });
  });

  test("cannot be written when it came as binary, and the error names it", () => {
    const extra = create(AnySchema, {
      typeUrl: "type.googleapis.com/shop.v1.Gift",
      value: new Uint8Array([10, 0]),
    });
    const order = make(oldBuild.message("Order"), { extra });
    expect(() => write(oldBuild, order)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining("shop.v1.Gift") }),
    );
  });

  test("is refused in a request, at any depth, and named", () => {
    const desc = oldBuild.message("Order");
    const refuse = (json: JsonValue) => () => requireKnownAnys(desc, read(oldBuild, json), oldBuild.registry);
    const inner = { "@type": "type.googleapis.com/shop.v1.Order", extras: [gift] };
    const error = expect.objectContaining({
      code: "invalid_argument",
      message: expect.stringContaining("shop.v1.Gift"),
    });
    for (const json of [stored, { extraOf: { k: inner } }]) expect(refuse(json)).toThrow(error);
    for (const json of [{}, { extra: line, extras: [line] }]) expect(refuse(json)).not.toThrow();
  });

  test("is known again to a build that knows it", () => {
    const json = write(oldBuild, read(oldBuild, stored));
    expect(write(newBuild, read(newBuild, json))).toMatchObject({ extra: { text: "for you" } });
  });
});

describe("several members of a oneof, each set by a build that did not know the other", () => {
  test("read as the older one, which was set later, in every build", () => {
    const stored = { crypto: "c", loan: { sku: "l" }, card: "1" };
    for (const build of [oldBuild, newBuild]) {
      expect(read(build, stored)["payment"]).toEqual({ case: "card", value: "1" });
    }
    const { card: _, ...late } = stored;
    expect(read(newBuild, late)["payment"]).toEqual({ case: "crypto", value: "c" });
    expect(read(oldBuild, late)["payment"]).toEqual({ case: undefined });
  });

  test("read so at every depth: in lists, maps and Anys", () => {
    const order = { crypto: "c", card: "1" };
    const any = { "@type": "type.googleapis.com/shop.v1.Order", ...order };
    const written = write(newBuild, read(newBuild, { extra: any, extras: [any], extraOf: { k: any } }));
    for (const found of [written["extra"], (written["extras"] as JsonValue[])[0]]) {
      expect(found).toMatchObject({ card: "1" });
      expect(found).not.toHaveProperty("crypto");
    }
  });

  test("read as the one that is not null", () => {
    expect(read(newBuild, { card: null, crypto: "c" })["payment"]).toMatchObject({ case: "crypto" });
    expect(read(newBuild, { voucher: null, crypto: "c" })["payment"]).toMatchObject({ case: "crypto" });
  });

  test("read as none where the older one is an enum value this build does not know", () => {
    expect(read(oldBuild, { promise: "KIND_FUTURE", voucher: { sku: "v" } })["payment"]).toEqual({
      case: undefined,
    });
  });
});

describe("JSON that was written by hand", () => {
  test("may name a field as the proto does; beside the JSON name, which columns read, it counts for nothing", () => {
    expect(read(oldBuild, { order_id: "a" })["orderId"]).toBe("a");
    expect(read(oldBuild, { order_id: "a", orderId: "b" })["orderId"]).toBe("b");
    expect(read(oldBuild, { lineOf: { k: { sku: "x" } }, line_of: {} })["lineOf"]).toMatchObject({
      k: { sku: "x" },
    });
  });

  test("may hold null anywhere, which reads as nothing", () => {
    const stored = {
      ...{ orderId: null, kind: null, note: null, line: null, extra: null, lines: null, lineOf: null },
      ...{ kinds: [null, "KIND_RUSH"], kindOf: { a: null, b: "KIND_RUSH" }, extras: [null, gift] },
    };
    const order = read(oldBuild, stored);
    expect(order).toMatchObject({
      orderId: "",
      kind: 0,
      kinds: [2],
      kindOf: { b: 2 },
      lines: [],
      lineOf: {},
    });
    expect(order["extras"]).toHaveLength(1);
    expect(read(oldBuild, { lines: [null, { sku: "a", parts: [null] }], lineOf: { a: null } })).toMatchObject(
      {
        lines: [{ sku: "a", parts: [] }],
        lineOf: {},
      },
    );
  });

  test.each<[string, JsonValue]>([
    ["text for a number", { line: { quantity: "many" } }],
    ["an object for a list", { lines: {} }],
    ["a number out of range", { line: { quantity: 3e9 } }],
    ["an Any without a type", { extra: { text: "x" } }],
    ["no object", []],
  ])("is refused when it is %s: no build wrote it, and no build guesses", (_, json) => {
    expect(() => read(oldBuild, json)).toThrow("cannot decode");
  });
});

test("reading what is known costs no second look", () => {
  const desc: DescMessage = oldBuild.message("Order");
  let walked = 0;
  const json = new Proxy<JsonObject>(
    { orderId: "a", future: 1, kind: "KIND_FUTURE" },
    {
      ownKeys: (target) => {
        walked += 1;
        return Reflect.ownKeys(target);
      },
    },
  );
  decodeStoredJson(desc, json, oldBuild.registry);
  expect(walked).toBe(1);
});
