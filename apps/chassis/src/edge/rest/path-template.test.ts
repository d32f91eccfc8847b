import { describe, expect, it } from "vitest";
import { caught } from "./caught.ts";
import { parsePathTemplate } from "./path-template.ts";

const literal = (text: string) => ({ kind: "literal", text });
const one = { kind: "one" };
const rest = { kind: "rest" };

describe("parsePathTemplate", () => {
  it("reads literals, a variable and a suffix", () => {
    expect(parsePathTemplate("/v1/orders/{order_id}:cancel")).toEqual({
      segments: [literal("v1"), literal("orders"), one],
      variables: [{ path: "order_id", start: 2, end: 3, multi: false }],
      suffix: "cancel",
    });
  });

  it("reads a variable with a template of its own and what follows it", () => {
    expect(parsePathTemplate("/v1/{book.name=shelves/*/books/*}/pages")).toEqual({
      segments: [literal("v1"), literal("shelves"), one, literal("books"), one, literal("pages")],
      variables: [{ path: "book.name", start: 1, end: 5, multi: true }],
      suffix: "",
    });
  });

  it("reads * as one segment and ** as several", () => {
    expect(parsePathTemplate("/*/{a=*}/{b=**}")).toEqual({
      segments: [one, one, rest],
      variables: [
        { path: "a", start: 1, end: 2, multi: false },
        { path: "b", start: 2, end: 3, multi: true },
      ],
      suffix: "",
    });
  });

  it("reads the bare root", () => {
    expect(parsePathTemplate("/").segments).toEqual([]);
  });

  it.each([
    "",
    "v1",
    "//",
    "/v1/",
    "/v1//a",
    "/v1/{a",
    "/v1/a}",
    "/v1/{}",
    "/v1/{a.}",
    "/v1/{1a}",
    "/v1/{a=}",
    "/v1/{a=b=c}",
    "/v1/{a={b}}",
    "/v1/{a}{b}",
    "/v1/x{b}",
    "/v1/{a}x",
    "/v1/{a}/{a}",
    "/v1/**/x",
    "/v1/{a=**}/x",
    "/v1/***",
    "/v1/a:",
    "/v1/a:b/c",
    "/v1/a:b:c",
    "/v1/a b",
    "/v1/a?b",
    "/v1/a%20b",
    "/v1/..",
    "/v1/é",
  ])("refuses %j", (template) => {
    const error = caught(() => parsePathTemplate(template));
    expect(error.code).toBe("invalid_argument");
    expect(error.message).toContain(JSON.stringify(template));
  });
});
