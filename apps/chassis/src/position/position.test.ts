import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { QuartetError } from "../error/quartet-error.ts";
import { formatPosition, formatWalLocation, parsePosition, parseWalLocation } from "./position.ts";

const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const position = fc.record({
  systemId: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String),
  timeline: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  lsn,
});

describe("a position", () => {
  test("is the same after a journey as text", () => {
    fc.assert(
      fc.property(position, (value) => {
        expect(parsePosition(formatPosition(value))).toEqual(value);
      }),
    );
  });

  test("is visible ASCII without what headers must quote", () => {
    fc.assert(
      fc.property(position, (value) => {
        expect(formatPosition(value)).toMatch(/^[0-9A-F/-]{1,60}$/);
      }),
    );
  });

  test("orders by its number, not its text", () => {
    expect(parseWalLocation("1/28") > parseWalLocation("0/FFFFFF00")).toBe(true);
    fc.assert(
      fc.property(lsn, (value) => {
        expect(parseWalLocation(formatWalLocation(value))).toBe(value);
      }),
    );
  });

  test.each([
    "",
    "1",
    "1-1",
    "1-1-0",
    "1-1-0/",
    "1-1-/0",
    "1-1-0/0 ",
    " 1-1-0/0",
    "1-1-0/0\n",
    "1-1-0/g",
    "1-1-0/ff",
    "1-1-000000000/0",
    "-1-1-0/0",
    "1-1-0/0,1-1-0/0",
    "1-99999999999-0/0",
    "x-1-0/0",
    "1-1-0/0-1",
  ])("is not %j", (text) => {
    expect(() => parsePosition(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument", field: "Quartet-Position" }),
    );
  });

  test("of random text is one that formats to that text, or invalid_argument", () => {
    const junk = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(..."0129AF/-f ") }),
      position.map(formatPosition),
    );
    fc.assert(
      fc.property(junk, (text) => {
        try {
          const { systemId, timeline } = parsePosition(text);
          expect(text.startsWith(`${systemId}-`)).toBe(true);
          expect(Number.isSafeInteger(timeline)).toBe(true);
        } catch (error) {
          if (!(error instanceof QuartetError)) throw error;
        }
      }),
    );
  });
});
