import { fromJson, type JsonValue, type Message, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { caught } from "./caught.ts";
import { decodeRequest } from "./decode-request.ts";
import { encodeRequest } from "./encode-request.ts";
import type { HttpRule, RestRoute } from "./http-rule.ts";
import { createRouteTable } from "./route-table.ts";
import { OrderSchema, sampleRegistry } from "./sample-schema.ts";

function route(template: string, body: string): RestRoute<number> {
  const rule: HttpRule = { verb: "POST", template, body, responseBody: "" };
  return { rule, input: OrderSchema, target: 0 };
}

const order = (json: JsonValue) => fromJson(OrderSchema, json, { registry: sampleRegistry });
const encode = (template: string, body: string, json: JsonValue) => {
  const { path, query, body: sent } = encodeRequest(route(template, body), order(json), sampleRegistry);
  return { path, query: String(query), body: sent };
};

function roundTrip(way: RestRoute<number>, message: Message): Message {
  const sent = encodeRequest(way, message, sampleRegistry);
  // A client's URL passes through a URL parser and its body through JSON text.
  const url = new URL(`http://shop.example${sent.path}?${sent.query}`);
  const match = createRouteTable([way]).match(sent.verb, url.pathname);
  const body = sent.body === undefined ? undefined : JSON.parse(JSON.stringify(sent.body));
  return decodeRequest(match, url.searchParams, body, sampleRegistry);
}

describe("encodeRequest", () => {
  it("sends variables in the path and the rest in the body", () => {
    expect(encode("/v1/orders/{order_id}:cancel", "*", { orderId: "a/b", name: "n" })).toEqual({
      path: "/v1/orders/a%2Fb:cancel",
      query: "",
      body: { name: "n" },
    });
  });

  it("sends one field in the body and the rest in the query", () => {
    const json = {
      item: { sku: "s", unitQuantity: 2 },
      tags: ["a", "b c"],
      voucher: { sku: "v" },
      express: true,
    };
    expect(encode("/v1/{item.sku}", "item", json)).toEqual({
      path: "/v1/s",
      query: "express=true&tags=a&tags=b+c&voucher.sku=v",
      body: { unitQuantity: 2 },
    });
  });

  it("sends defaults of variables without presence", () => {
    expect(encode("/v1/{page_size}/{big}/{express}/{status}/{ratio}", "", {}).path).toBe(
      "/v1/0/0/false/STATUS_UNSPECIFIED/0",
    );
  });

  it("keeps the form of a variable of several segments", () => {
    expect(encode("/v1/{name=shelves/*}/books", "", { name: "shelves/a b" }).path).toBe(
      "/v1/shelves/a%20b/books",
    );
    expect(encode("/v1/{name=**}:x", "", { name: "" }).path).toBe("/v1/:x");
  });

  it("sends a message with a JSON form of its own as the body", () => {
    const rule: HttpRule = { verb: "POST", template: "/v1/x", body: "*", responseBody: "" };
    const message = fromJson(StringValueSchema, "x");
    expect(encodeRequest({ rule, input: StringValueSchema }, message)).toMatchObject({
      path: "/v1/x",
      body: "x",
    });
  });

  it.each<[string, string, JsonValue, string]>([
    ["/v1/{name}", "", {}, "name"],
    ["/v1/{name}", "", { name: ".." }, "name"],
    ["/v1/{name=**}", "", { name: "a/../b" }, "name"],
    ["/v1/{name=shelves/*}", "", { name: "racks/1" }, "name"],
    ["/v1/{name=shelves/*}", "", { name: "shelves/1/2" }, "name"],
    ["/v1/{name=shelves/*}", "", { name: "shelves/" }, "name"],
    ["/v1/{note}", "", {}, "note"],
    ["/v1/{item.sku}", "", {}, "item.sku"],
    ["/v1/*", "", {}, "*"],
    ["/v1", "", { labels: { a: "b" } }, "labels"],
    ["/v1", "", { items: [{}] }, "items"],
    ["/v1", "", { item: {} }, "item"],
    ["/v1", "", { extra: { a: 1 } }, "extra"],
  ])("refuses %s with body %j for %j", (template, body, json, field) => {
    const error = caught(() => encode(template, body, json));
    expect(error.code).toBe("invalid_argument");
    expect(error.field).toBe(field);
  });
});

/** Compared on the wire, where, unlike with `equals`, NaN is NaN. */
function expectSame(actual: Message, expected: Message): void {
  expect(toBinary(OrderSchema, actual)).toEqual(toBinary(OrderSchema, expected));
}

const text = fc.string({ unit: "binary" }).map((value) => value.replaceAll("\0", ""));
const segment = text.filter((value) => value !== "" && value !== "." && value !== "..");
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const double = fc.double().map((value) => (Number.isFinite(value) ? value : String(value)));
const bytes = fc.uint8Array().map((value) => Buffer.from(value).toString("base64"));
const status = fc.constantFrom<JsonValue>("STATUS_UNSPECIFIED", "STATUS_OPEN", 2, 77);
const time = fc
  .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true })
  .map((value) => value.toISOString());
const wait = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 999999999 })).map(([s, n]) => {
  return `${s}.${String(n).padStart(9, "0")}s`;
});
const item = fc.record({ sku: segment, unitQuantity: fc.integer() }, { requiredKeys: ["sku"] });

/** What a query can carry. */
const flat = {
  pageSize: fc.integer(),
  count: fc.nat(),
  big: int64,
  ratio: double,
  express: fc.boolean(),
  blob: bytes,
  status,
  tags: fc.array(text),
  numbers: fc.array(fc.integer()),
  statuses: fc.array(status),
  placeTime: time,
  wait,
  mask: fc.array(fc.constantFrom("a", "bC", "d.eF"), { minLength: 1 }).map((paths) => paths.join(",")),
  nickname: text,
  limit: int64,
  times: fc.array(time),
  note: text,
  constructor: text,
  card: text,
  maybe: status,
};

/** JSON text has no -0 that survives `JSON.stringify`. */
const positiveZero = double.map((value) => (value === 0 ? 0 : value));

/** What only a body can carry. */
const deep = {
  items: fc.array(item),
  labels: fc.dictionary(text, text),
  itemById: fc.dictionary(fc.integer().map(String), item),
  extra: fc.dictionary(text, fc.oneof(text, fc.integer(), fc.constant(null), fc.array(text))),
};

const always = { orderId: segment, name: segment, item };
const requiredKeys: ["orderId", "name", "item"] = ["orderId", "name", "item"];

describe("decodeRequest undoes encodeRequest", () => {
  it.each(["/v1/{order_id}/{item.sku}", "/v1/{order_id}/x/{name=**}:do", "/v1/orders"])(
    "with everything but the path in the query: %s",
    (template) => {
      fc.assert(
        fc.property(fc.record({ ...always, ...flat }, { requiredKeys }), (json) => {
          const message = order(json);
          expectSame(roundTrip(route(template, ""), message), message);
        }),
      );
    },
  );

  it.each([
    "/v1/{order_id}/{item.unit_quantity}",
    "/v1/{status}/{big}/{name=**}",
    "/v1/{ratio}/{express}/{count}",
  ])("with everything but the path in the body: %s", (template) => {
    fc.assert(
      fc.property(
        fc.record({ ...always, ...flat, ...deep, ratio: positiveZero }, { requiredKeys }),
        (json) => {
          const message = order(json);
          expectSame(roundTrip(route(template, "*"), message), message);
        },
      ),
    );
  });

  it.each(["item", "extra", "tags", "labels", "items", "place_time", "card", "note"])(
    "with one field in the body: %s",
    (body) => {
      const key = OrderSchema.fields.find((field) => field.name === body)?.jsonName ?? body;
      const field = { ...flat, ...deep, item }[key as "item"];
      fc.assert(
        fc.property(fc.record({ ...always, ...flat, [key]: field }, { requiredKeys }), (json) => {
          const message = order(json as JsonValue);
          expectSame(roundTrip(route("/v1/{order_id}/{item.sku}", body), message), message);
        }),
      );
    },
  );
});
