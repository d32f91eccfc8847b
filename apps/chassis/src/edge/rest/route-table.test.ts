import { StructSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import { caught } from "./caught.ts";
import type { HttpVerb } from "./http-rule.ts";
import { createRouteTable } from "./route-table.ts";
import { OrderSchema } from "./sample-schema.ts";

function route(verb: HttpVerb, template: string, body = "") {
  return {
    rule: { verb, template, body, responseBody: "" },
    input: OrderSchema,
    target: `${verb} ${template}`,
  };
}

const table = createRouteTable([
  route("GET", "/"),
  route("GET", "/v1/orders"),
  route("POST", "/v1/orders", "*"),
  route("GET", "/v1/orders/{order_id}"),
  route("DELETE", "/v1/orders/{name}"),
  route("GET", "/v1/orders/search"),
  route("POST", "/v1/orders/{order_id}:cancel", "*"),
  route("POST", "/v1/orders/{order_id}/items/{item.sku}", "*"),
  route("GET", "/v1/orders/*/items/best"),
  route("GET", "/v1/{name=shelves/*}/books"),
  route("GET", "/v1/files/{name=**}"),
  route("PUT", "/v1/files/{name=**}:publish", "*"),
  route("GET", "/v2/{name=a/**}"),
]);

const target = (verb: string, path: string) => table.match(verb, path).route.target;
const variables = (verb: string, path: string) => table.match(verb, path).variables;

describe("match", () => {
  it("finds literals, variables and the root", () => {
    expect(target("GET", "/")).toBe("GET /");
    expect(target("GET", "/v1/orders")).toBe("GET /v1/orders");
    expect(variables("GET", "/v1/orders/o-1")).toEqual({ order_id: "o-1" });
    expect(variables("POST", "/v1/orders/o-1/items/s%2F2")).toEqual({ order_id: "o-1", "item.sku": "s/2" });
  });

  it("prefers literals to variables, from the left", () => {
    expect(target("GET", "/v1/orders/search")).toBe("GET /v1/orders/search");
    expect(target("GET", "/v1/orders/x/items/best")).toBe("GET /v1/orders/*/items/best");
    expect(variables("GET", "/v1/shelves/7/books")).toEqual({ name: "shelves/7" });
  });

  it("falls back from a better template that lacks the verb", () => {
    expect(variables("DELETE", "/v1/orders/search")).toEqual({ name: "search" });
    expect(variables("POST", "/v1/orders/x/items/best")).toEqual({ order_id: "x", "item.sku": "best" });
  });

  it("takes a suffix after the last colon, and else leaves colons to the variable", () => {
    expect(target("POST", "/v1/orders/a:b:cancel")).toBe("POST /v1/orders/{order_id}:cancel");
    expect(variables("POST", "/v1/orders/a:b:cancel")).toEqual({ order_id: "a:b" });
    expect(variables("GET", "/v1/orders/a:cancel")).toEqual({ order_id: "a:cancel" });
    expect(variables("GET", "/v1/orders/a:")).toEqual({ order_id: "a:" });
    expect(caught(() => table.match("POST", "/v1/orders/a%3Acancel")).code).toBe("method_not_allowed");
  });

  it("gives ** nothing, one or many segments", () => {
    expect(variables("GET", "/v1/files")).toEqual({ name: "" });
    expect(variables("GET", "/v1/files/")).toEqual({ name: "" });
    expect(variables("GET", "/v1/files/a//b%2Fc%20d")).toEqual({ name: "a//b%2Fc d" });
    expect(variables("PUT", "/v1/files/a/b:publish")).toEqual({ name: "a/b" });
    expect(variables("GET", "/v2/a")).toEqual({ name: "a" });
    expect(variables("GET", "/v2/a/b/c")).toEqual({ name: "a/b/c" });
  });

  it("gives * no empty segment", () => {
    expect(caught(() => table.match("GET", "/v1/orders/")).code).toBe("no_such_route");
    expect(caught(() => table.match("POST", "/v1/orders/:cancel")).allow).not.toContain("POST");
  });

  it("compares literals after decoding", () => {
    expect(target("GET", "/v1/%6frders")).toBe("GET /v1/orders");
    expect(caught(() => table.match("GET", "/v1%2Forders")).code).toBe("no_such_route");
  });

  it("answers HEAD by GET, and nothing else by it", () => {
    expect(target("HEAD", "/v1/orders/o-1")).toBe("GET /v1/orders/{order_id}");
    const error = caught(() => table.match("HEAD", "/v1/orders/o-1:cancel:cancel/items/x"));
    expect(error.allow).toEqual(["POST"]);
  });

  it("names the verbs that are allowed when only the verb is wrong, and for OPTIONS", () => {
    const patch = caught(() => table.match("PATCH", "/v1/orders/search"));
    expect(patch.code).toBe("method_not_allowed");
    expect(patch.allow).toEqual(["DELETE", "GET", "HEAD"]);
    expect(caught(() => table.match("OPTIONS", "/v1/orders")).allow).toEqual(["GET", "HEAD", "POST"]);
    expect(caught(() => table.match("get", "/v1/orders")).code).toBe("method_not_allowed");
  });

  it.each(["/nope", "", "v1/orders", "/v1", "//v1/orders", "/v1/orders/a/b", "/__proto__", "/constructor"])(
    "has no route for %j",
    (path) => {
      expect(caught(() => table.match("GET", path)).code).toBe("no_such_route");
    },
  );

  it("refuses an escape in a variable that is malformed or not UTF-8", () => {
    for (const path of ["/v1/orders/%", "/v1/orders/%FF", "/v1/files/a/%C0%A0"]) {
      const error = caught(() => table.match("GET", path));
      expect(error.code).toBe("invalid_argument");
      expect(error.field).toBe(path.startsWith("/v1/orders") ? "order_id" : "name");
    }
  });

  it("throws nothing but QuartetError, whatever the path", () => {
    const piece = fc.constantFrom(
      "v1",
      "orders",
      "files",
      "shelves",
      "books",
      "/",
      ":",
      "cancel",
      "%",
      "%2F",
      "*",
      "",
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string())),
        fc.constantFrom("GET", "POST", "HEAD"),
        (parts, verb) => {
          try {
            table.match(verb, `/${parts.join("")}`);
          } catch (error) {
            expect(error).toBeInstanceOf(QuartetError);
          }
        },
      ),
    );
  });

  it("does not depend on the order of routes", () => {
    const routes = ["/{order_id}", "/a", "/{name=**}", "/a/{order_id}", "/*/b", "/{order_id}:x"].map(
      (template) => route("GET", template),
    );
    const paths = ["/a", "/b", "/a/b", "/c/b", "/c/d/e", "/a:x", "/a/b:x"];
    const expected = paths.map((path) => createRouteTable(routes).match("GET", path).route.target);
    fc.assert(
      fc.property(fc.shuffledSubarray(routes, { minLength: routes.length }), (shuffled) => {
        const other = createRouteTable(shuffled);
        expect(paths.map((path) => other.match("GET", path).route.target)).toEqual(expected);
      }),
    );
  });
});

describe("createRouteTable", () => {
  it.each([
    ["an unknown variable", route("GET", "/v1/{nope}")],
    ["a JSON name as a variable", route("GET", "/v1/{orderId}")],
    ["an unknown nested variable", route("GET", "/v1/{item.nope}")],
    ["a variable through a scalar", route("GET", "/v1/{name.x}")],
    ["a variable inside a Timestamp", route("GET", "/v1/{place_time.seconds}")],
    ["a repeated variable", route("GET", "/v1/{tags}")],
    ["a map variable", route("GET", "/v1/{labels}")],
    ["a message variable", route("GET", "/v1/{item}")],
    ["a wrapper variable", route("GET", "/v1/{nickname}")],
    ["an unknown body", route("POST", "/v1/a", "nope")],
    ["a nested body", route("POST", "/v1/a", "item.sku")],
    ["a body that the path binds", route("POST", "/v1/{name}", "name")],
    ["a template that does not parse", route("GET", "/v1/{")],
    ["a Struct that is not the whole body", { ...route("GET", "/v1/a"), input: StructSchema }],
    [
      "an unknown verb",
      { ...route("GET", "/v1/a"), rule: { ...route("GET", "/v1/a").rule, verb: "TRACE" as "GET" } },
    ],
  ])("refuses %s", (_, bad) => {
    expect(caught(() => createRouteTable([bad])).code).toBe("invalid_argument");
  });

  it("refuses two routes for the same requests, whatever their variables are called", () => {
    const error = caught(() =>
      createRouteTable([route("GET", "/v1/{name}"), route("GET", "/v1/{order_id=*}")]),
    );
    expect(error.message).toContain("GET /v1/{name}");
    expect(error.message).toContain("GET /v1/{order_id=*}");
    expect(() => createRouteTable([route("GET", "/v1/{name}"), route("PUT", "/v1/{name}")])).not.toThrow();
    expect(() => createRouteTable([route("GET", "/v1/{name}"), route("GET", "/v1/{name}:x")])).not.toThrow();
  });

  it("allows a variable inside the field that is the body", () => {
    expect(() => createRouteTable([route("PATCH", "/v1/{item.sku}", "item")])).not.toThrow();
  });
});
