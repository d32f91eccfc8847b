import type { DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import type { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { tableOf } from "../schema/table/table.ts";
import { EverythingSchema, PairSchema, testRegistry } from "../schema/test-schema.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import type { RowChanges } from "./row-changes.ts";
import { TableWriter } from "./table-writer.ts";
import { createTables, storedRow } from "./test-table.ts";

let database: TestDatabase;
let things: TableWriter<DescMessage>;
let statements: string[];

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [EverythingSchema, PairSchema]);
  const watched: SqlClient = {
    query: (statement) => {
      statements.push(statement.text.split(" ")[0] ?? "");
      return database.pool.query(statement);
    },
  };
  statements = [];
  things = new TableWriter(tableOf(EverythingSchema), watched, testRegistry);
});
afterAll(() => database[Symbol.asyncDispose]());

let count = 0;

/** Stores JSON as any build would, patches it, and gives what is stored then. */
async function patched(stored: Record<string, unknown>, changes: Record<string, unknown>) {
  const id = `row ${++count}`;
  await database.query("insert into test.everything (pb) values ($1)", [JSON.stringify({ id, ...stored })]);
  statements = [];
  expect(await things.patch(id, changes)).toBe(2n);
  const { pb, version } = (await storedRow(database, EverythingSchema, id)) ?? { pb: {}, version: "" };
  expect(version).toBe("2");
  const { id: _, ...rest } = pb;
  return rest;
}

describe("patch", () => {
  test.each<[string, Record<string, unknown>, Record<string, unknown>, Record<string, unknown>]>([
    ["a scalar", { fInt32: 1, future: 1 }, { fInt32: 2 }, { fInt32: 2, future: 1 }],
    ["a scalar to zero", { fInt64: "7" }, { fInt64: 0n }, { fInt64: "0" }],
    [
      "an enum over a name it does not know",
      { status: "STATUS_FUTURE" },
      { status: 1 },
      { status: "STATUS_OPEN" },
    ],
    [
      "a time",
      {},
      { wTimestamp: { seconds: 0n, nanos: 1 } },
      { wTimestamp: "1970-01-01T00:00:00.000000001Z" },
    ],
    ["a wrapper", {}, { wStringvalue: "x" }, { wStringvalue: "x" }],
    ["bytes", {}, { fBytes: Uint8Array.of(255) }, { fBytes: "/w==" }],
    ["an optional field by null", { oInt32: 1, fString: "x" }, { oInt32: null }, { fString: "x" }],
    ["a message by null", { line: { sku: "a", future: 1 } }, { line: null }, {}],
    ["a list of text", { tags: ["a"] }, { tags: ["b"] }, { tags: ["b"] }],
    ["a map of text", { labels: { a: "1" } }, { labels: { b: "2" } }, { labels: { b: "2" } }],
    ["a struct", { extra: { a: 1 } }, { extra: { b: [null] } }, { extra: { b: [null] } }],
    ["a oneof to another member", { card: "1" }, { payment: { case: "cents", value: 2n } }, { cents: "2" }],
    ["a oneof to none", { cents: "1" }, { payment: { case: undefined } }, {}],
    ["a field that was written by its name in the proto", { f_int32: 1 }, { fInt32: 2 }, { fInt32: 2 }],
    ["several fields", { fBool: true }, { fBool: false, fString: "x" }, { fBool: false, fString: "x" }],
  ])("changes %s in one statement", async (_, stored, changes, expected) => {
    expect(await patched(stored, changes)).toEqual(expected);
    expect(statements).toEqual(["update"]);
  });

  test("keeps what it does not know of messages, lists and maps that it sets", async () => {
    const stored = {
      line: { sku: "a", future: 1 },
      lines: [{ sku: "b", future: 2 }],
      lineOf: { k: { sku: "c", future: 3 } },
      statuses: ["STATUS_FUTURE", "STATUS_OPEN"],
    };
    const pb = await patched(stored, {
      line: { sku: "a2" },
      lines: [{ sku: "b" }, { sku: "new" }],
      lineOf: { k: { sku: "c2" } },
      statuses: [1, 2],
    });
    expect(pb).toMatchObject({
      line: { sku: "a2", future: 1 },
      lines: [{ sku: "b", future: 2 }, { sku: "new" }],
      lineOf: { k: { sku: "c2", future: 3 } },
      statuses: ["STATUS_FUTURE", "STATUS_OPEN", "STATUS_CLOSED"],
    });
    expect(statements).toEqual(["select", "update"]);
  });

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["a list by fewer elements", { tags: ["a", "b"] }, { tags: ["a"] }],
    ["a list by no elements", { tags: ["a"] }, { tags: [] }],
    ["a list by another order", { tags: ["a", "b"] }, { tags: ["b", "a"] }],
    ["a map by fewer entries", { labels: { a: "1", b: "2" } }, { labels: { b: "2" } }],
    ["a struct by less", { extra: { a: [1, 2] } }, { extra: { a: [2] } }],
  ])("replaces %s", async (_, stored, changes) => {
    expect(await patched(stored, changes)).toEqual(changes);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["the key", { id: "other" }, "id"],
    ["a field there is not", { nothing: 1 }, "nothing"],
    ["a field by its name in SQL", { f_int32: 1 }, "f_int32"],
    ["a member of a oneof by itself", { card: "1" }, "card"],
    ["undefined", { fInt32: undefined }, "fInt32"],
    ["null for a field that is never absent", { fInt32: null }, "fInt32"],
    ["null for a list", { tags: null }, "tags"],
    ["a member that a oneof does not have", { payment: { case: "gold", value: 1 } }, "payment"],
    ["U+0000", { fString: "a\0" }, "fString"],
    ["U+0000 deep inside", { lines: [{ parts: [{ sku: "\ud800" }] }] }, "lines[0].parts[0].sku"],
  ])("refuses %s", async (_, changes, field) => {
    await things.insertIfAbsent({ id: "refuses" });
    await expect(things.patch("refuses", changes)).rejects.toMatchObject({ code: "invalid_argument", field });
    expect((await storedRow(database, EverythingSchema, "refuses"))?.version).toBe("1");
  });

  test("of no row is not_found", async () => {
    await expect(things.patch("nobody", { fInt32: 1 })).rejects.toMatchObject({
      code: "not_found",
      message: 'There is no Everything "nobody".',
    });
  });

  test("that takes another row's unique value is already_exists", async () => {
    const pairs = new TableWriter(tableOf(PairSchema), database.pool, testRegistry);
    await pairs.insertMany([1n, 2n].map((number) => ({ tenant: "t", number, label: `${number}` })));
    await expect(pairs.patch(["t", 1n], { label: "2" })).rejects.toMatchObject({ code: "already_exists" });
  });

  test("of different fields at once loses neither", async () => {
    await things.insert({ id: "both" });
    await Promise.all([
      ...Array.from({ length: 5 }, (_, value) => things.patch("both", { fInt32: value + 1 })),
      ...Array.from({ length: 5 }, (_, value) => things.patch("both", { fString: `${value}` })),
    ]);
    const row = await storedRow(database, EverythingSchema, "both");
    expect(row).toMatchObject({
      version: "11",
      pb: { fInt32: expect.any(Number), fString: expect.any(String) },
    });
  });

  test("takes what the message's type says", () => {
    type Changes = RowChanges<typeof OperationRecordSchema>;
    const check = (changes: Changes) => changes;
    check({ method: "x", endTime: null, problem: { code: "internal" } });
    // @ts-expect-error never absent
    check({ method: null });
    // @ts-expect-error no such field
    check({ methods: "x" });
    // @ts-expect-error of another type
    check({ method: 1 });
    // @ts-expect-error undefined
    check({ method: undefined });
  });
});
