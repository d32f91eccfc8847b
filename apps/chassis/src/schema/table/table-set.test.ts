import { createFileRegistry, type DescFile } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { QuartetError } from "../../error/quartet-error.ts";
import { systemRegistry } from "../system-registry.ts";
import { buildTestFile, type TestFile, testImports } from "../test-file.ts";
import { testRegistry } from "../test-schema.ts";
import { formatFaults } from "./schema-fault.ts";
import { messagesOf, readTables, tablesAmong } from "./table-set.ts";

const fields = { id: "string", b_c: "string", c: "string" };

function fileOf(messages: TestFile["messages"]): DescFile {
  const file = buildTestFile("set/v1/set", { enums: {}, messages, methods: {} });
  const registry = createFileRegistry(file, (name) => testImports.find((known) => known.proto.name === name));
  return registry.getFile("set/v1/set.proto") ?? expect.unreachable();
}

function faultsOf(messages: TestFile["messages"]): readonly string[] {
  return formatFaults(readTables(messagesOf([fileOf(messages)])).faults);
}

describe("the tables of a domain", () => {
  test("are those of all messages that want to be one, in order", () => {
    const messages = messagesOf([...testRegistry.files]);
    expect(tablesAmong(messages).map((table) => table.name)).toEqual([
      "test.everything",
      "test.pairs",
      "test.keyed",
      "test.counters",
    ]);
  });

  test("of the platform are sound", () => {
    const messages = [...systemRegistry].filter((type) => type.kind === "message");
    expect(new Set(tablesAmong(messages).map((table) => table.schemaName))).toEqual(new Set(["quartet"]));
  });

  test("are refused with all their faults at once, the file alone where there is no source", () => {
    const table = { name: "x.t", key: ["id", "nope"] };
    const messages = { A: { table, fields: { id: "double" } }, B: { table, fields } };
    const shown = [
      'set/v1/set.proto: set.v1.A: key field "id" is a double, which makes no key: NaN equals nothing, and -0 equals 0.',
      'set/v1/set.proto: set.v1.A: key names "nope", which is no field.',
      'set/v1/set.proto: set.v1.B: key names "nope", which is no field.',
      'set/v1/set.proto: set.v1.B: table "x.t" is that of set.v1.A too.',
    ];
    expect(faultsOf(messages)).toEqual(shown);
    expect(() => tablesAmong(messagesOf([fileOf(messages)]))).toThrow(
      expect.objectContaining<Partial<QuartetError>>({
        code: "invalid_argument",
        message: `4 faults keep the protos from being tables:\n${shown.join("\n")}`,
      }),
    );
  });

  test("may have indexes of one name in two schemas, and not in one", () => {
    const tables = (first: string, second: string) => ({
      A: { table: { name: `${first}.a`, key: ["id"], index: [{ field: ["b_c"] }] }, fields },
      AB: { table: { name: `${second}.a_b`, key: ["id"], index: [{ field: ["c"] }] }, fields },
    });
    expect(faultsOf(tables("x", "y"))).toEqual([]);
    expect(faultsOf(tables("x", "x"))).toEqual([
      'set/v1/set.proto: set.v1.AB: its index "a_b_c_idx" has the name of the index of set.v1.A: ' +
        'order one of its fields "desc", and the name is another.',
    ]);
  });

  test.each([
    ["a_view", "view"],
    ["a_pkey", "primary key"],
    ["a_c_idx", "index"],
  ])("may not have one named %s beside a", (name, what) => {
    const a = { table: { name: "x.a", key: ["id"], index: [{ field: ["c"] }] }, fields };
    const other = { table: { name: `x.${name}`, key: ["id"] }, fields };
    expect(faultsOf({ A: a, B: other })).toEqual([
      `set/v1/set.proto: set.v1.B: table "x.${name}" has the name of the ${what} of set.v1.A.`,
    ]);
    expect(faultsOf({ B: other, A: a })).toEqual([
      `set/v1/set.proto: set.v1.A: its ${what} "${name}" has the name of the table of set.v1.B.`,
    ]);
  });

  test.each([
    ["a_history", true],
    ["a_history_default", true],
    ["a_history_2026_11", true],
    ["a_history_pkey", true],
    ["a_history_of_changes", false],
  ])("with a history leave it its names: %s", (name, taken) => {
    const other = { table: { name: `x.${name}`, key: ["id"] }, fields };
    const beside = (history: boolean) =>
      faultsOf({ A: { table: { name: "x.a", key: ["id"], history }, fields }, B: other });
    expect(beside(false)).toEqual([]);
    const fault = `set/v1/set.proto: set.v1.B: table "x.${name}" has a name that the history of set.v1.A needs.`;
    expect(beside(true)).toEqual(taken ? [fault] : []);
  });
});
