import { describe, expect, test } from "vitest";
import { entityTagOf, isKnown, readEntityTags, readIfMatch } from "./entity-tag.ts";

describe("readIfMatch", () => {
  test("reads the version back that an entity tag was made of", () => {
    expect(readIfMatch(entityTagOf(3n))).toBe(3n);
    expect(readIfMatch(entityTagOf(2n ** 53n + 1n))).toBe(2n ** 53n + 1n);
    expect(readIfMatch(entityTagOf(3n, '{"id":"a"}'))).toBe(3n);
    expect(readIfMatch(undefined)).toBeUndefined();
  });

  test.each([
    "*",
    "3",
    'W/"3"',
    '"3", "4"',
    '""',
    '"x"',
    '"-1"',
    `"${"9".repeat(19)}"`,
    '"3-"',
    '"3-1234567g"',
    "",
  ])("refuses %s and names the header", (text) => {
    expect(() => readIfMatch(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument", field: "If-Match" }),
    );
  });
});

describe("If-None-Match", () => {
  test.each([
    ['"3"', true],
    ['W/"3"', true],
    ['"2", W/"3"', true],
    ["*", true],
    ['"2"', false],
    ['"33"', false],
    ["3", false],
    ["", false],
  ])("%s of a row at version 3: known is %s", (text, expected) => {
    expect(isKnown(entityTagOf(3n), readEntityTags(text))).toBe(expected);
  });

  test("absent, nothing is known", () => {
    expect(isKnown(entityTagOf(3n), readEntityTags(undefined))).toBe(false);
  });
});

test("the tags of two bodies differ, where the version is the same too", () => {
  expect(entityTagOf(1n, '{"id":"a"}')).not.toBe(entityTagOf(1n, '{"id":"b"}'));
  expect(entityTagOf(1n, "é")).toMatch(/^"1-[\da-f]{8}"$/);
});
