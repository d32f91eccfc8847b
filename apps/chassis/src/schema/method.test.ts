import { describe, expect, test } from "vitest";
import { defaultMode, httpBindings, methodKind, methodName } from "./method.ts";
import { testMethod } from "./test-schema.ts";

describe("methodKind", () => {
  test.each([
    ["GetThing", "query", "has no side effects"],
    ["MakeThing", "command", "says nothing"],
    ["Weigh", "compute", "says so"],
    ["ReadAll", "query", "says so"],
    ["Commit", "command", "says so, whatever its idempotency"],
  ])("%s is a %s: it %s", (name, kind) => {
    expect(methodKind(testMethod(name))).toBe(kind);
  });
});

describe("defaultMode", () => {
  test.each([
    ["MakeThing", "direct"],
    ["Commit", "direct"],
    ["Offload", "offloaded"],
    ["Later", "async"],
  ])("%s is %s", (name, mode) => {
    expect(defaultMode(testMethod(name))).toBe(mode);
  });
});

describe("httpBindings", () => {
  test("reads the rule and its additional bindings", () => {
    expect(httpBindings(testMethod("GetThing"))).toEqual([
      { verb: "GET", template: "/v1/things/{id}", body: "" },
      { verb: "GET", template: "/v1/also/{id}", body: "" },
    ]);
  });

  test("reads the body", () => {
    expect(httpBindings(testMethod("MakeThing"))).toEqual([
      { verb: "POST", template: "/v1/things", body: "*" },
    ]);
  });

  test("is empty without a rule", () => {
    expect(httpBindings(testMethod("Weigh"))).toEqual([]);
  });
});

test("methodName is package.Service/Method", () => {
  expect(methodName(testMethod("Weigh"))).toBe("test.v1.Things/Weigh");
});
