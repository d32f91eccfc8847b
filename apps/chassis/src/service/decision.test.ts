import { describe, expect, test } from "vitest";
import { LineSchema } from "../schema/test-schema.ts";
import { decideEvent } from "./decision.ts";

describe("an event that a handler publishes", () => {
  test("has the key and the time it is given", () => {
    const deliverAfter = new Date();
    expect(decideEvent(LineSchema, {}, { key: "k", deliverAfter })).toMatchObject({ key: "k", deliverAfter });
    expect(decideEvent(LineSchema, {})).toMatchObject({ key: undefined, deliverAfter: undefined });
  });

  test.each([
    [{ key: "" }, "key"],
    [{ key: "x".repeat(256) }, "key"],
    [{ key: "a\0" }, "key"],
    [{ deliverAfter: new Date(Number.NaN) }, "deliverAfter"],
  ])("is refused where the handler publishes it: %o", (options, field) => {
    expect(() => decideEvent(LineSchema, {}, options)).toThrow(
      expect.objectContaining({ code: "invalid_argument", field }),
    );
  });
});
