import { fromJson } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ParcelSchema, parcelRegistry } from "./merge/test-parcel.ts";
import { Stored } from "./stored.ts";

/** As Postgres prints `jsonb`: a space after each colon and comma. */
const stored = (json: string) => new Stored(ParcelSchema, { pb: json, version: 3n }, parcelRegistry);

describe("the JSON of a stored row", () => {
  test.each([
    ["a row", '{"tenant": "t", "card": "x", "odd":  1}'],
    ["a row with the name of another member in a text", '{"label": "\\"cents\\": 5", "card": "x"}'],
    ["a row with the key of another member elsewhere", '{"card": "x", "future": {"cents": 5}}'],
  ])("of %s is its very text", (_, text) => {
    expect(stored(text).json()).toBe(text);
  });

  test("that has two members of a oneof has the one that counts, and all else", () => {
    const row = stored('{"card": "x", "cents": "5", "future": [1], "tenant": "t"}');
    const json = JSON.parse(row.json());
    expect(json).toEqual({ card: "x", future: [1], tenant: "t" });
    const options = { registry: parcelRegistry, ignoreUnknownFields: true };
    expect(fromJson(ParcelSchema, json, options)).toMatchObject({ payment: { case: "card" } });
    expect(row.message()).toMatchObject({ payment: { case: "card" } });
    expect(() => fromJson(ParcelSchema, JSON.parse(row.text), options)).toThrow();
  });
});
