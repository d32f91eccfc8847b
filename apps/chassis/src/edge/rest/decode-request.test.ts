import { fromJson, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { StringValueSchema, StructSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { caught } from "./caught.ts";
import { decodeRequest } from "./decode-request.ts";
import type { HttpVerb } from "./http-rule.ts";
import { createRouteTable } from "./route-table.ts";
import { OrderSchema, sampleRegistry } from "./sample-schema.ts";

interface Sent {
  readonly template?: string;
  readonly body?: string;
  readonly path?: string;
  readonly query?: string;
  readonly json?: JsonValue | undefined;
}

function send({ template = "/v1/orders", body = "", path = "/v1/orders", query = "", json }: Sent): Message {
  const verb: HttpVerb = "POST";
  const rule = { verb, template, body, responseBody: "" };
  const match = createRouteTable([{ rule, input: OrderSchema, target: 0 }]).match(verb, path);
  return decodeRequest(match, new URLSearchParams(query), json, sampleRegistry);
}

/** The decoded request as JSON, without defaults. */
const decoded = (sent: Sent) => toJson(OrderSchema, send(sent), { registry: sampleRegistry });
const refused = (sent: Sent) => caught(() => send(sent));

describe("the query", () => {
  it.each<[string, JsonValue]>([
    ["order_id=a%20b+c&name=", { orderId: "a b c" }],
    ["orderId=x", { orderId: "x" }],
    [
      "page_size=-5&count=5&big=-9007199254740993&ubig=18446744073709551615",
      {
        pageSize: -5,
        count: 5,
        big: "-9007199254740993",
        ubig: "18446744073709551615",
      },
    ],
    ["ratio=1.5e3&weight=-Infinity&express=true", { ratio: 1500, weight: "-Infinity", express: true }],
    ["blob=-_8%3D", { blob: "+/8=" }],
    [
      "status=STATUS_OPEN&statuses=2&statuses=STATUS_OPEN",
      {
        status: "STATUS_OPEN",
        statuses: ["STATUS_CLOSED", "STATUS_OPEN"],
      },
    ],
    ["tags=b&tags=a&numbers=1&numbers=2", { tags: ["b", "a"], numbers: [1, 2] }],
    ["item.sku=s&item.unit_quantity=3", { item: { sku: "s", unitQuantity: 3 } }],
    ["item.unitQuantity=3", { item: { unitQuantity: 3 } }],
    [
      "place_time=2024-05-06T07:08:09.5Z&wait=1.5s&mask=a.b,cD",
      {
        placeTime: "2024-05-06T07:08:09.500Z",
        wait: "1.500s",
        mask: "a.b,cD",
      },
    ],
    [
      "times=2024-05-06T07:08:09Z&times=2025-05-06T07:08:09Z",
      {
        times: ["2024-05-06T07:08:09Z", "2025-05-06T07:08:09Z"],
      },
    ],
    ["nickname=&limit=0&note=", { nickname: "", limit: "0", note: "" }],
    ["constructor=x", { constructor: "x" }],
    ["card=c&maybe=STATUS_UNSPECIFIED", { card: "c", maybe: "STATUS_UNSPECIFIED" }],
    ["voucher.sku=s", { voucher: { sku: "s" } }],
  ])("reads %s", (query, json) => {
    expect(decoded({ query })).toEqual(json);
  });

  it.each([
    ["nope=1", "nope"],
    ["__proto__=1", "__proto__"],
    ["__proto__.polluted=1", "__proto__.polluted"],
    ["toString=1", "toString"],
    ["item.nope=1", "item.nope"],
    ["item.constructor=1", "item.constructor"],
    ["item=1", "item"],
    ["items=1", "items"],
    ["items.sku=1", "items.sku"],
    ["labels=1", "labels"],
    ["labels.a=1", "labels.a"],
    ["extra=1", "extra"],
    ["value=1", "value"],
    ["place_time.seconds=1", "place_time.seconds"],
    ["name.x=1", "name.x"],
    ["page_size=", "page_size"],
    ["page_size=abc", "page_size"],
    ["page_size=0x10", "page_size"],
    ["page_size=1e2", "page_size"],
    ["page_size=%201", "page_size"],
    ["pageSize=2147483648", "pageSize"],
    ["numbers=1&numbers=99999999999", "numbers[1]"],
    ["count=-1", "count"],
    ["big=9223372036854775808", "big"],
    ["big=1.5", "big"],
    ["ratio=1,5", "ratio"],
    ["weight=1e39", "weight"],
    ["express=1", "express"],
    ["express=TRUE", "express"],
    ["blob=%25", "blob"],
    ["status=OPEN", "status"],
    ["status=1.5", "status"],
    ["place_time=yesterday", "place_time"],
    ["wait=5sec", "wait"],
    ["mask=a_b", "mask"],
    ["page_size=1&page_size=1", "page_size"],
    ["page_size=1&pageSize=2", "pageSize"],
    ["card=c&voucher.sku=s", "voucher"],
    ["order_id=%00", "order_id"],
    ["tags=a&tags=%00", "tags[1]"],
  ])("refuses %s", (query, field) => {
    const error = refused({ query });
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
    expect(error.message).toContain(": ");
  });

  it("cannot reach what the path or the body binds", () => {
    const rule = { template: "/v1/{item.sku}", body: "voucher", path: "/v1/s" };
    expect(refused({ ...rule, query: "item.sku=s" }).field).toBe("item.sku");
    expect(refused({ ...rule, query: "voucher.sku=s" }).field).toBe("voucher.sku");
    expect(decoded({ ...rule, query: "item.unit_quantity=2" })).toEqual({
      item: { sku: "s", unitQuantity: 2 },
    });
    expect(refused({ body: "*", query: "name=a" }).field).toBe("name");
  });
});

describe("the path", () => {
  it("fills fields of every text type", () => {
    const template =
      "/{order_id}/{page_size}/{big}/{express}/{status}/{blob}/{item.unit_quantity}/{card}/{ratio}";
    expect(decoded({ template, path: "/a%2Fb/5/-7/true/STATUS_OPEN/AQ==/3/c/NaN" })).toEqual({
      orderId: "a/b",
      pageSize: 5,
      big: "-7",
      express: true,
      status: "STATUS_OPEN",
      blob: "AQ==",
      item: { unitQuantity: 3 },
      card: "c",
      ratio: "NaN",
    });
  });

  it.each([
    ["/v1/{page_size}", "/v1/x", "page_size"],
    ["/v1/{page_size}", "/v1/99999999999", "page_size"],
    ["/v1/{item.unit_quantity}", "/v1/1.5", "item.unit_quantity"],
    ["/v1/{status}", "/v1/OPEN", "status"],
    ["/v1/{name}", "/v1/a%00", "name"],
  ])("refuses %s given %s", (template, path, field) => {
    const error = refused({ template, path });
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
  });
});

describe("path and body naming one field", () => {
  const rule = { template: "/v1/orders/{order_id}/{page_size}", path: "/v1/orders/a/5", body: "*" };

  it.each<[string, JsonValue]>([
    ["absent", {}],
    ["null", { order_id: null, pageSize: null }],
    ["a default, as some clients send it", { order_id: "", pageSize: 0 }],
    ["the same, in either name", { order_id: "a", pageSize: 5 }],
    ["the same in another spelling of the value", { orderId: "a", page_size: "5" }],
  ])("is fine when the body's value is %s", (_, json) => {
    expect(decoded({ ...rule, json })).toEqual({ orderId: "a", pageSize: 5 });
  });

  it.each<[string, JsonValue, string]>([
    ["another value", { orderId: "b" }, "orderId"],
    ["another number", { page_size: 6 }, "page_size"],
    ["a value of the wrong type", { pageSize: "x" }, "pageSize"],
    ["both names at once", { order_id: "a", orderId: "a" }, "orderId"],
  ])("is refused when the body has %s", (_, json, field) => {
    const error = refused({ ...rule, json });
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
  });

  it("is refused when a field with presence has its default in the body", () => {
    expect(refused({ template: "/v1/{note}", path: "/v1/a", body: "*", json: { note: "" } }).field).toBe(
      "note",
    );
  });

  it("reports an impossible value of the path even when the body's is fine", () => {
    const path = "/v1/orders/a/99999999999";
    expect(refused({ ...rule, path, json: { pageSize: 5 } }).field).toBe("pageSize");
  });

  it("joins inside the body's field and leaves the caller's JSON as it was", () => {
    const nested = { template: "/v1/{item.sku}", path: "/v1/s", body: "item" };
    const json = { unitQuantity: 2 };
    expect(decoded({ ...nested, json })).toEqual({ item: { sku: "s", unitQuantity: 2 } });
    expect(json).toEqual({ unitQuantity: 2 });
    expect(decoded({ ...nested })).toEqual({ item: { sku: "s" } });
    expect(refused({ ...nested, json: { sku: "t" } }).field).toBe("item.sku");
  });

  it("refuses what is not an object on the way to the path's field", () => {
    const error = refused({ template: "/v1/{item.sku}", path: "/v1/s", body: "*", json: { item: 5 } });
    expect(error.field).toBe("item");
    expect(decoded({ template: "/v1/{item.sku}", path: "/v1/s", body: "*", json: { item: null } })).toEqual({
      item: { sku: "s" },
    });
  });

  it("refuses another member of the path's oneof", () => {
    const error = refused({ template: "/v1/{card}", path: "/v1/c", body: "*", json: { voucher: {} } });
    expect(error.code).toBe("invalid_argument");
  });
});

describe("the body", () => {
  it("is the whole message, one field of any kind, or nothing", () => {
    expect(decoded({ body: "*", json: { name: "n", item_by_id: { 5: { sku: "s" } } } })).toEqual({
      name: "n",
      itemById: { 5: { sku: "s" } },
    });
    expect(decoded({ body: "items", json: [{ sku: "s" }] })).toEqual({ items: [{ sku: "s" }] });
    expect(decoded({ body: "labels", json: { a: "b" } })).toEqual({ labels: { a: "b" } });
    expect(decoded({ body: "name", json: "n" })).toEqual({ name: "n" });
    expect(decoded({ body: "place_time", json: "2024-05-06T07:08:09Z" })).toEqual({
      placeTime: "2024-05-06T07:08:09Z",
    });
    expect(decoded({ body: "extra", json: { a: [1, null] } })).toEqual({ extra: { a: [1, null] } });
    expect(decoded({ body: "*" })).toEqual({});
    expect(decoded({ body: "item" })).toEqual({});
    expect(decoded({ json: {} })).toEqual({});
  });

  it.each<[string, JsonValue]>([
    ["*", []],
    ["*", "x"],
    ["*", 5],
    ["*", null],
    ["item", []],
    ["item", null],
    ["items", {}],
    ["labels", []],
    ["", { name: "n" }],
    ["", []],
    ["", null],
  ])("of rule %j is malformed as %j", (body, json) => {
    expect(refused({ body, json }).code).toBe("malformed_body");
  });

  it.each<[JsonValue, string]>([
    [{ nope: 1 }, "nope"],
    [{ name: 5 }, "name"],
    [{ item: { nope: 1 } }, "item.nope"],
    [{ item: [] }, "item"],
    [{ items: {} }, "items"],
    [{ items: [{}, null] }, "items[1]"],
    [{ items: [{}, {}, { unit_quantity: "x" }] }, "items[2].unit_quantity"],
    [{ items: [{ parts: [{}, { unitQuantity: 1.5 }] }] }, "items[0].parts[1].unitQuantity"],
    [{ tags: ["a", 5] }, "tags[1]"],
    [{ tags: "a" }, "tags"],
    [{ statuses: ["STATUS_OPEN", "NOPE"] }, "statuses[1]"],
    [{ times: ["2024-05-06T07:08:09Z", "x"] }, "times[1]"],
    [{ labels: { a: 5 } }, 'labels["a"]'],
    [{ labels: [] }, "labels"],
    [{ itemById: { x: {} } }, 'itemById["x"]'],
    [{ itemById: { 1: { unitQuantity: true } } }, 'itemById["1"].unitQuantity'],
    [{ itemById: { 1: null } }, 'itemById["1"]'],
    [{ itemById: { 1: {}, "01": {} } }, "itemById"],
    [{ status: "NOPE" }, "status"],
    [{ placeTime: "x" }, "placeTime"],
    [{ wait: "1.1234567890s" }, "wait"],
    [{ limit: "x" }, "limit"],
    [{ mask: "a_b" }, "mask"],
    [{ blob: "%" }, "blob"],
    [{ order_id: "a", orderId: "a" }, "orderId"],
    [{ card: "c", voucher: {} }, "voucher"],
    [{ any: { "@type": "type.googleapis.com/nope.Nope" } }, "any"],
    [{ extra: [] }, "extra"],
    [{ "[nope.ext]": 1 }, "[nope.ext]"],
    [JSON.parse('{"__proto__":{"name":"x"}}'), "__proto__"],
    [JSON.parse('{"item":{"__proto__":{"sku":"x"}}}'), "item.__proto__"],
    [{ item: { constructor: { prototype: {} } } }, "item.constructor"],
    [{ name: "a\0b" }, "name"],
    [{ extra: { a: [{ b: "\0" }] } }, "extra.a[0].b"],
    [{ extra: { "a\0": 1 } }, "extra.a\uFFFD"],
    [{ labels: { "\0": "x" } }, "labels.\uFFFD"],
    [{ extra: { a: "\ud800" } }, "extra.a"],
    [{ name: "\udc00" }, "name"],
  ])("refuses %j and says where", (json, field) => {
    const error = refused({ body: "*", json });
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
    expect(error.message).not.toContain("sample.v1.Order");
  });

  it("accepts a text that only looks like an escaped U+0000", () => {
    expect(decoded({ body: "*", json: { name: "\\u0000 \\ud800" } })).toEqual({ name: "\\u0000 \\ud800" });
  });

  it("keeps __proto__ as a key of a map and of a Struct without touching any prototype", () => {
    const json = JSON.parse('{"labels":{"__proto__":"x"},"extra":{"__proto__":{"polluted":true}}}');
    const text = JSON.stringify(decoded({ body: "*", json }));
    expect(JSON.parse(text)).toEqual(json);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("is not repeated at length in the error", () => {
    const error = refused({ body: "*", json: { ["x".repeat(100_000)]: 1, name: "y".repeat(100_000) } });
    expect(error.message.length).toBeLessThan(300);
    expect(refused({ body: "*", json: { express: "y".repeat(100_000) } }).message.length).toBeLessThan(300);
  });

  it("is refused, not followed, when it is nested too deep", () => {
    let json: JsonValue = {};
    for (let depth = 0; depth < 5000; depth++) json = { parts: [json] };
    const error = refused({ body: "*", json: { items: [json] } });
    expect(error.code).toBe("invalid_argument");
    expect(refused({ body: "extra", json: nest(5000) }).code).toBe("invalid_argument");
  });
});

function nest(depth: number): JsonValue {
  let json: JsonValue = {};
  for (let at = 0; at < depth; at++) json = { a: json };
  return json;
}

describe("a request message with a JSON form of its own", () => {
  it.each<[typeof StructSchema | typeof StringValueSchema, JsonValue]>([
    [StructSchema, { a: 1 }],
    [StringValueSchema, "x"],
  ])("is the whole body", (input, json) => {
    const rule = { verb: "POST" as const, template: "/v1/x", body: "*", responseBody: "" };
    const match = createRouteTable([{ rule, input, target: 0 }]).match("POST", "/v1/x");
    const message = decodeRequest(match, new URLSearchParams(), json);
    expect(message).toEqual(
      input === StructSchema ? fromJson(StructSchema, json) : fromJson(StringValueSchema, json),
    );
    expect(caught(() => decodeRequest(match, new URLSearchParams(), undefined)).code).toBe("malformed_body");
    expect(caught(() => decodeRequest(match, new URLSearchParams(), 5)).code).toBe("invalid_argument");
  });
});

describe("decodeRequest", () => {
  it("throws nothing but QuartetError, whatever is sent", () => {
    const names = OrderSchema.fields.flatMap((field) => [field.name, field.jsonName]);
    const key = fc.oneof(
      fc.constantFrom(...names, "sku", "parts", "__proto__", "constructor", "@type"),
      fc.string(),
    );
    const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<JsonValue>(null, true, "STATUS_OPEN", "1s", "2024-05-06T07:08:09Z"),
        fc.double(),
        fc.string({ unit: "binary" }),
        fc.array(tie("json")),
        fc.dictionary(key, tie("json")),
      ),
    }));
    const parameter = fc.tuple(key, fc.string());
    fc.assert(
      fc.property(
        json,
        fc.array(parameter, { maxLength: 3 }),
        fc.constantFrom("", "*", "item", "tags", "extra"),
        (sent, query, body) => {
          try {
            send({
              template: "/v1/{item.sku}",
              path: "/v1/s",
              body,
              json: sent,
              query: String(new URLSearchParams(query)),
            });
          } catch (error) {
            expect(error).toBeInstanceOf(QuartetError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
