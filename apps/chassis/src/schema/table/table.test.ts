import { describe, expect, test } from "vitest";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  CounterSchema,
  EverythingSchema,
  KeyedSchema,
  LineSchema,
  lonelyMessage,
  PairSchema,
} from "../test-schema.ts";
import { isTable, tableOf } from "./table.ts";

describe("tableOf", () => {
  test("reads names, key, columns and indexes of the option", () => {
    const table = tableOf(PairSchema);
    expect(table).toMatchObject({
      schemaName: "test",
      tableName: "pairs",
      name: "test.pairs",
      sqlName: '"test"."pairs"',
    });
    expect(table.key.map((column) => column.name)).toEqual(["tenant", "number"]);
    expect(table.indexes.map(({ name, unique }) => ({ name, unique }))).toEqual([
      { name: "pairs_label_idx", unique: false },
      { name: "pairs_tenant_label_key", unique: true },
    ]);
  });

  test("keeps the key's order, and takes every plain scalar in it", () => {
    expect(tableOf(KeyedSchema).key.map((column) => column.name)).toEqual(["big", "flag", "status", "small"]);
  });

  test("a hidden field has no column", () => {
    expect(tableOf(PairSchema).columns.map((column) => column.name)).toEqual(["tenant", "number", "label"]);
  });

  test("is computed once per message", () => {
    expect(tableOf(EverythingSchema)).toBe(tableOf(EverythingSchema));
  });

  test("a message without the option is no table", () => {
    expect([isTable(CounterSchema), isTable(LineSchema)]).toEqual([true, false]);
  });

  test("an index whose name would be too long gets a shorter one of its own", () => {
    const [first, second] = ["a", "b"].map((end) => `${"long_".repeat(10)}${end}`);
    if (first === undefined || second === undefined) throw new Error("no names");
    const index = [{ field: [first] }, { field: [second] }];
    const message = lonelyMessage(
      { name: "x.orders_of_long_names", key: ["id"], index },
      {
        id: "string",
        [first]: "string",
        [second]: "string",
      },
    );
    const names = tableOf(message).indexes.map(({ name }) => name);
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(63);
    expect(tableOf(lonelyMessage({ name: "x.t", key: ["id"] }, { id: "string" })).indexes).toEqual([]);
  });
});

describe("tableOf refuses, naming file and message,", () => {
  const fields = { id: "string", text: "string" };
  const table = { name: "x.things", key: ["id"] };
  test.each<[string, Parameters<typeof lonelyMessage>, string]>([
    ["no option", [undefined, fields], 'table name "" is not of the form'],
    [
      "a name without schema",
      [{ ...table, name: "things" }, fields],
      '"things" is not of the form "schema.table"',
    ],
    ["a name of three parts", [{ ...table, name: "a.b.c" }, fields], '"a.b.c"'],
    ["an empty part", [{ ...table, name: "x." }, fields], '"x."'],
    ["a name too long", [{ ...table, name: `x.${"t".repeat(64)}` }, fields], "too long"],
    ["a column too long", [table, { id: "string", ["c".repeat(64)]: "string" }], "too long"],
    ["no key", [{ name: "x.things" }, fields], "a table needs a key"],
    ["an unknown key", [{ ...table, key: ["nope"] }, fields], 'key names "nope", which is no field'],
    ["a repeated key", [table, { id: "repeated string" }], 'key field "id" is not a plain scalar'],
    ["a map as key", [table, { id: "map string string" }], "not a plain scalar"],
    ["an optional key", [table, { id: "optional string" }], "not a plain scalar"],
    ["a key in a oneof", [table, { id: "oneof which string" }], "not a plain scalar"],
    ["a message as key", [table, { id: ".google.protobuf.Timestamp" }], "not a plain scalar"],
    ["bytes as key", [table, { id: "bytes" }], 'key field "id" is bytes'],
    ["a hidden key", [table, { id: "hidden string" }], 'key names "id", which is hidden and no column'],
    ["a key named twice", [{ ...table, key: ["id", "id"] }, fields], 'key names twice "id"'],
    ["a field named pb", [table, { id: "string", pb: "string" }], 'field "pb" is a reserved column'],
    ["a field named version", [table, { id: "string", version: "int64" }], 'field "version" is a reserved'],
    ["a system column of Postgres", [table, { id: "string", xmin: "int64" }], 'field "xmin" is a reserved'],
    ["an unknown index field", [{ ...table, index: [{ field: ["nope"] }] }, fields], 'index names "nope"'],
    ["an empty index", [{ ...table, index: [{ field: [] }] }, fields], "an index needs a field"],
    [
      "one index twice",
      [{ ...table, index: [{ field: ["text"] }, { field: ["text"] }] }, fields],
      'two indexes have the name "things_text_idx"',
    ],
  ])("%s", (_, [option, with_], expected) => {
    const error = caught(() => tableOf(lonelyMessage(option, with_)));
    expect(error.code).toBe("invalid_argument");
    expect(error.message).toContain("lonely/v1/lonely.proto: lonely.v1.Lonely: ");
    expect(error.message).toContain(expected);
    expect(error.fix).toContain("quartet.v1.table");
  });
});

function caught(run: () => unknown): QuartetError {
  try {
    run();
  } catch (error) {
    if (error instanceof QuartetError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
