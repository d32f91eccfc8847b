import type { MessageInitShape } from "@bufbuild/protobuf";
import { createFileRegistry } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { IndexKind, type IndexOptionsSchema } from "../../gen/quartet/v1/options_pb.ts";
import { buildTestFile, testImports } from "../test-file.ts";
import { tableOf } from "./table.ts";
import type { TableIndex } from "./table-index.ts";

type Index = MessageInitShape<typeof IndexOptionsSchema>;
type Condition = NonNullable<Index["where"]>[number];

function indexesOf(tableName: string, index: Index[]): readonly TableIndex[] {
  const file = buildTestFile("indexed/v1/indexed", {
    enums: { Status: ["STATUS_UNSPECIFIED", "STATUS_OPEN"] },
    messages: {
      Indexed: {
        table: { name: `x.${tableName}`, key: ["id"], index },
        fields: {
          id: "string",
          text: "string",
          maybe: "optional string",
          small: "int32",
          unsigned: "uint32",
          big: "int64",
          huge: "uint64",
          real: "float",
          double: "double",
          flag: "bool",
          status: "enum Status",
          tags: "repeated string",
          numbers: "repeated uint32",
          time: ".google.protobuf.Timestamp",
        },
      },
    },
    methods: {},
  });
  const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  const message = registry.getMessage("indexed.v1.Indexed");
  if (message === undefined) throw new Error("the file has no message");
  return tableOf(message).indexes;
}

const namesOf = (index: Index[], tableName = "t") => indexesOf(tableName, index).map(({ name }) => name);

function equals(field: string, value: string): Condition {
  return { field, test: { case: "equals", value } };
}

function conditionOf(condition: Condition): string | undefined {
  return indexesOf("t", [{ field: ["text"], where: [condition] }])[0]?.where;
}

describe("the name of an index", () => {
  test("is table, columns and kind, however its order and kind are spelled", () => {
    expect(namesOf([{ field: ["text", "small"] }])).toEqual(["t_text_small_idx"]);
    expect(namesOf([{ field: ["text asc", "small"], kind: IndexKind.BTREE }])).toEqual(["t_text_small_idx"]);
    expect(namesOf([{ field: ["text"], unique: true }])).toEqual(["t_text_key"]);
  });

  test("is another one for another order, kind or condition", () => {
    const index: Index[] = [
      { field: ["text"] },
      { field: ["text desc"] },
      { field: ["text"], where: [equals("small", "1")] },
      { field: ["text"], where: [equals("small", "2")] },
      { field: ["text"], where: [{ field: "maybe", test: { case: "isSet", value: true } }] },
      { field: ["text"], unique: true },
      { field: ["tags"], kind: IndexKind.GIN },
    ];
    expect(new Set(namesOf(index)).size).toBe(index.length);
    expect(namesOf(index)).toEqual(namesOf(index));
  });

  test("fits into 63 bytes, in any script", () => {
    const long = "äß漢".repeat(6);
    const names = namesOf(
      [{ field: ["text", "small", "double", "big"] }, { field: ["text", "small", "double", "huge"] }],
      long,
    );
    expect(new Set(names).size).toBe(2);
    for (const name of names) {
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
      expect(name).toMatch(/^äß漢.*_[0-9a-f]{12}_idx$/);
      expect(name).not.toContain("\uFFFD");
    }
  });
});

describe("a condition", () => {
  test.each([
    ["text", "it's", "'it''s'::text"],
    ["small", "-2147483648", "'-2147483648'::integer"],
    ["unsigned", "4294967295", "'4294967295'::bigint"],
    ["big", "9223372036854775807", "'9223372036854775807'::bigint"],
    ["huge", "18446744073709551615", "'18446744073709551615'::numeric(20)"],
    ["real", "1.5e3", "'1.5e3'::real"],
    ["double", "-Infinity", "'-Infinity'::double precision"],
    ["flag", "true", "'true'::boolean"],
    ["status", "STATUS_OPEN", "'STATUS_OPEN'::text"],
  ])("on %s takes %s", (field, value, literal) => {
    expect(conditionOf(equals(field, value))).toMatch(new RegExp(` = ${escapePattern(literal)}$`));
    const not: Condition = { field, test: { case: "notEquals", value } };
    expect(conditionOf(not)).toMatch(new RegExp(` <> ${escapePattern(literal)}$`));
  });

  test.each([
    ["small", "2147483648"],
    ["small", "1.0"],
    ["unsigned", "-1"],
    ["unsigned", "4294967296"],
    ["huge", "18446744073709551616"],
    ["real", "1e39"],
    ["real", "1e-50"],
    ["double", "1e309"],
    ["double", "one"],
    ["flag", "True"],
    ["status", "STATUS_NONE"],
    ["status", "1"],
    ["text", "nul \0"],
    ["tags", "[]"],
    ["numbers", "1"],
    ["time", "2020-01-01T00:00:00Z"],
  ])("on %s refuses %j, which the column never has", (field, value) => {
    expect(() => conditionOf(equals(field, value))).toThrow(`compares "${field}"`);
  });

  test("on a key column is about the stored column, as queries are", () => {
    expect(conditionOf(equals("id", "a"))).toBe(`"id" = 'a'::text`);
  });

  test("of presence is NULL or not", () => {
    const isSet = (value: boolean): Condition => ({ field: "maybe", test: { case: "isSet", value } });
    expect(conditionOf(isSet(true))).toBe("((pb ->> 'maybe')) is not null");
    expect(conditionOf(isSet(false))).toBe("((pb ->> 'maybe')) is null");
  });

  test("joins others with and", () => {
    const where = [equals("id", "a"), equals("id", "b")];
    expect(indexesOf("t", [{ field: ["text"], where }])[0]?.where).toBe(
      `"id" = 'a'::text and "id" = 'b'::text`,
    );
  });
});

function escapePattern(text: string): string {
  return text.replaceAll(/[()^$.*+?]/g, "\\$&");
}
