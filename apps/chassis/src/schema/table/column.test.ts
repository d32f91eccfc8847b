import { describe, expect, test } from "vitest";
import { EverythingSchema, lonelyMessage } from "../test-schema.ts";
import { columnOf } from "./column.ts";

function column(name: string) {
  const field = EverythingSchema.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new Error(`no field ${name}`);
  return columnOf(field);
}

describe("columnOf", () => {
  test.each([
    ["double", "double precision", "number"],
    ["float", "real", "number"],
    ["int32", "integer", "number"],
    ["sint32", "integer", "number"],
    ["sfixed32", "integer", "number"],
    ["uint32", "bigint", "bigint"],
    ["fixed32", "bigint", "bigint"],
    ["int64", "bigint", "bigint"],
    ["sint64", "bigint", "bigint"],
    ["sfixed64", "bigint", "bigint"],
    ["uint64", "numeric(20)", "string"],
    ["fixed64", "numeric(20)", "string"],
    ["bool", "boolean", "boolean"],
    ["string", "text", "string"],
    ["bytes", "bytea", "Uint8Array"],
  ])("%s is %s: the default without presence, null with it", (kind, sqlType, tsType) => {
    expect(column(`f_${kind}`)).toMatchObject({ sqlType, tsType, nullable: false });
    expect(column(`f_${kind}`).expression).toMatch(/^coalesce\(/);
    expect(column(`o_${kind}`)).toMatchObject({ sqlType, tsType, nullable: true });
    expect(column(`o_${kind}`).expression).not.toMatch(/coalesce/);
  });

  test.each([
    ["timestamp", "timestamptz", "Date"],
    ["duration", "interval", "string"],
    ["fieldmask", "text", "string"],
    ["stringvalue", "text", "string"],
    ["bytesvalue", "bytea", "Uint8Array"],
    ["boolvalue", "boolean", "boolean"],
    ["int32value", "integer", "number"],
    ["uint32value", "bigint", "bigint"],
    ["int64value", "bigint", "bigint"],
    ["uint64value", "numeric(20)", "string"],
    ["floatvalue", "double precision", "number"],
    ["doublevalue", "double precision", "number"],
  ])("the well-known %s is a nullable %s", (kind, sqlType, tsType) => {
    expect(column(`w_${kind}`)).toMatchObject({ sqlType, tsType, nullable: true });
  });

  test("an enum is text, with its zero name as default", () => {
    expect(column("status")).toMatchObject({ sqlType: "text", tsType: "string", nullable: false });
    expect(column("status").expression).toBe("coalesce((pb ->> 'status'), 'STATUS_UNSPECIFIED')");
    expect(column("maybe_status")).toMatchObject({ sqlType: "text", nullable: true });
  });

  test("members of a oneof are nullable", () => {
    expect(column("card")).toMatchObject({ sqlType: "text", nullable: true });
    expect(column("cents")).toMatchObject({ sqlType: "bigint", nullable: true });
    expect(column("voucher")).toMatchObject({ sqlType: "jsonb", nullable: true });
  });

  test.each(["line", "lines", "tags", "statuses", "labels", "line_of", "extra", "any"])(
    "%s is jsonb",
    (name) => {
      expect(column(name)).toMatchObject({ sqlType: "jsonb", tsType: "unknown", nullable: true });
    },
  );

  test("the name is the proto's, the JSON key is lowerCamelCase", () => {
    expect(column("line_of")).toMatchObject({
      name: "line_of",
      path: ["lineOf"],
      expression: "(pb -> 'lineOf')",
    });
  });

  test("a quote in a JSON name cannot leave its literal", () => {
    const [field] = lonelyMessage(undefined, { it: "string" }).fields;
    if (field === undefined) throw new Error("no field");
    expect(columnOf({ ...field, jsonName: "it's" }).expression).toBe("coalesce((pb ->> 'it''s'), '')");
  });
});
