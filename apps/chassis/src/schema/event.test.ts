import { describe, expect, test } from "vitest";
import { aggregateTypeOf, declaredKeyOf } from "./event.ts";
import { LostSchema, make, NotedSchema, PlacedSchema } from "./test-schema.ts";

describe("an event's message", () => {
  test("has the aggregate type of its option, else its own name", () => {
    expect(aggregateTypeOf(PlacedSchema)).toBe("order");
    expect(aggregateTypeOf(NotedSchema)).toBe("test.v1.Noted");
  });

  test("has the key of its option as text, exactly", () => {
    expect(declaredKeyOf(PlacedSchema, make(PlacedSchema, { number: 2n ** 53n + 1n }))).toBe(
      "9007199254740993",
    );
    expect(declaredKeyOf(NotedSchema, make(NotedSchema, { text: "x" }))).toBeUndefined();
  });

  test("whose key is no scalar is refused", () => {
    expect(() => declaredKeyOf(LostSchema, make(LostSchema, {}))).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining('"lines"') }),
    );
  });
});
