import { createFileRegistry, type DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { buildTestFile, testImports } from "../../schema/test-file.ts";
import { compareColumns } from "./column-rules.ts";

function thing(fields: Readonly<Record<string, string>>): DescMessage {
  const table = { name: "ruled.things", key: ["id"] };
  const messages = { Thing: { table, fields }, Line: { fields: { sku: "string" } } };
  const file = buildTestFile("ruled/v1/ruled", { enums: {}, messages, methods: {} });
  const found = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  const message = found.getMessage("ruled.v1.Thing");
  if (message === undefined) throw new Error("the file has no message");
  return message;
}

const ofField = thing({ id: "string", line: ".ruled.v1.Line", line_sku: "string" });
const ofPath = thing({ id: "string", line: ".ruled.v1.Line path=sku" });

test("the column of a deleted field may not become that of a path, nor the other way round", () => {
  expect(compareColumns(ofField, ofPath)).toEqual([
    expect.objectContaining({
      rule: "COLUMN_SAME_SOURCE",
      message:
        'Column "line_sku" of message "ruled.v1.Thing" was made of "lineSku" and would be of "line.sku".',
    }),
  ]);
  expect(compareColumns(ofPath, ofField).map(({ rule }) => rule)).toContain("COLUMN_SAME_SOURCE");
});

test("a path that comes, and columns that stay, break nothing", () => {
  const before = thing({ id: "string", line: ".ruled.v1.Line" });
  expect(compareColumns(before, ofPath)).toEqual([]);
  expect(compareColumns(ofPath, ofPath)).toEqual([]);
});
