import { describe, expect, test } from "vitest";
import { homeOf, isServiceClass, mayCall, servesKind, serviceClasses } from "./service-class.ts";

describe("a class", () => {
  test("calls lower classes only", () => {
    const calls = serviceClasses.map((caller) => serviceClasses.filter((callee) => mayCall(caller, callee)));
    expect(calls).toEqual([["micro", "nano", "lambda"], ["nano", "lambda"], ["lambda"], []]);
  });

  test("that is the home of a kind serves it, and crud serves every kind", () => {
    for (const kind of ["query", "command", "compute"] as const) {
      expect(servesKind(homeOf(kind), kind)).toBe(true);
      expect(servesKind("crud", kind)).toBe(true);
    }
    expect(servesKind("nano", "command")).toBe(false);
    expect(servesKind("lambda", "query")).toBe(false);
  });

  test("is one of four words", () => {
    expect(serviceClasses.every(isServiceClass)).toBe(true);
    expect(["monolith", "", "toString", "__proto__"].some(isServiceClass)).toBe(false);
  });
});
