import type { JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printStorable } from "./storable-json.ts";

describe("printStorable", () => {
  test("prints any JSON of Unicode without U+0000 as JSON.stringify does", () => {
    const text = fc.string({ unit: "binary" }).map((value) => value.replaceAll("\0", ""));
    const json = fc.oneof(
      text,
      fc.array(text),
      fc.dictionary(text, text),
      fc.constantFrom("\\u0000", "\\ud800", 1, null),
    );
    fc.assert(
      fc.property(json, (value) => {
        expect(printStorable(value as JsonValue)).toBe(JSON.stringify(value));
      }),
    );
  });

  test.each<[string, JsonValue, string]>([
    ["U+0000 in a field", { sku: "a\0b" }, "sku"],
    ["U+0000 in a list of messages", { lines: [{ sku: "a" }, { sku: "b" }, { sku: "\0" }] }, "lines[2].sku"],
    ["U+0000 in a map", { labels: { a: "1", b: "\0" } }, "labels.b"],
    ["U+0000 in a key of a map", { labels: { "a\0": "1" } }, "labels"],
    ["U+0000 in lists of lists", { extra: [[1, ["\0"]]] }, "extra[0][1][0]"],
    ["the first half of a pair alone", { text: "a\ud83c" }, "text"],
    ["the second half of a pair alone", { text: "\udfbba" }, "text"],
    ["halves in the wrong order", { text: "\udfbb\ud83c" }, "text"],
    ["U+0000 after text that only looks like it", { a: "\\u0000", b: { c: "\0" } }, "b.c"],
  ])("refuses %s and names it", (_, json, field) => {
    expect(() => printStorable(json)).toThrow(
      expect.objectContaining({ code: "invalid_argument", field, message: expect.stringContaining(field) }),
    );
  });
});
