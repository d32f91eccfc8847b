import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitsIdentifier, quoteBody, quoteIdentifier, quoteLiteral } from "./identifier.ts";

describe("quoteIdentifier", () => {
  test("doubles quotes", () => {
    expect(quoteIdentifier('a"b')).toBe('"a""b"');
    expect(quoteIdentifier("Order")).toBe('"Order"');
  });

  test.each([
    ["nothing", ""],
    ["a NUL", "a\0b"],
    ["64 bytes", "x".repeat(64)],
    ["64 bytes in 32 letters", "é".repeat(32)],
  ])("refuses %s", (_, name) => {
    expect(fitsIdentifier(name)).toBe(false);
    expect(() => quoteIdentifier(name)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });

  test("keeps 63 bytes", () => {
    expect(quoteIdentifier("x".repeat(63))).toBe(`"${"x".repeat(63)}"`);
  });

  test("whatever is quoted is one identifier", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 15 }), (name) => {
        fc.pre(fitsIdentifier(name));
        const inside = quoteIdentifier(name).slice(1, -1);
        expect(inside.replaceAll('""', "")).not.toContain('"');
        expect(inside.replaceAll('""', '"')).toBe(name);
      }),
    );
  });
});

test("quoteLiteral doubles single quotes and leaves backslashes", () => {
  expect(quoteLiteral("it's \\ '")).toBe("'it''s \\ '''");
});

test.each(["select 1", "$quartet$", "a$quartet", "it's $$ \\ $function$"])("quoteBody keeps %s", (body) => {
  const quoted = quoteBody(body);
  const inside = quoted.startsWith("'")
    ? quoted.slice(1, -1).replaceAll("''", "'")
    : quoted.slice("$quartet$".length, quoted.indexOf("$quartet$", 1));
  expect(inside).toBe(body);
});
