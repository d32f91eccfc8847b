import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { encodeJson } from "../schema/json/json.ts";
import { tableOf } from "../schema/table/table.ts";
import { arbitraryMessage } from "../schema/test-arbitrary.ts";
import { EverythingSchema, type LooseMessage, make, testRegistry } from "../schema/test-schema.ts";
import { expectedColumns } from "./test-columns.ts";
import { createTables, LooseWriter } from "./test-table.ts";

let database: TestDatabase;
let rows: LooseWriter;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [EverythingSchema]);
  rows = new LooseWriter(EverythingSchema, database.pool);
});
afterAll(() => database[Symbol.asyncDispose]());

let count = 0;

/** Stores a message under a new key; gives what `get` reads and what the generated columns show. */
async function store(message: LooseMessage) {
  const id = `row ${++count}`;
  const stored = await rows.insert({ ...message, id });
  const read = await rows.get(id);
  const result = await database.pool.query("select * from test.everything where id = $1", [id]);
  return { stored, read, columns: result.rows[0] as Record<string, unknown> };
}

describe("a row", () => {
  test("comes back as it was stored, and its columns show its fields, for any message", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryMessage(EverythingSchema), async (message) => {
        const { stored, read, columns } = await store(message);
        expect(read).toBeDefined();
        if (read === undefined) return;
        expect(jsonOf(read)).toEqual(jsonOf(stored));
        expect(columns).toMatchObject(expectedColumns(tableOf(EverythingSchema), stored, testRegistry));
        expect(columns["version"]).toBe(1n);
      }),
      { numRuns: 150 },
    );
  });

  test("of the default message has the defaults of its columns", async () => {
    const { columns } = await store(make(EverythingSchema, {}));
    expect(columns).toMatchObject({
      f_string: "",
      f_int64: 0n,
      f_uint64: "0",
      f_bool: false,
      f_bytes: Buffer.of(),
      status: "STATUS_UNSPECIFIED",
      o_string: null,
      w_timestamp: null,
      tags: [],
      labels: {},
      line: null,
    });
  });

  test("holds the largest numbers exactly", async () => {
    const { columns, read } = await store(
      make(EverythingSchema, {
        fInt64: 2n ** 63n - 1n,
        fSint64: -(2n ** 63n),
        fUint64: 2n ** 64n - 1n,
        fDouble: 5e-324,
      }),
    );
    expect(columns).toMatchObject({
      f_int64: 9223372036854775807n,
      f_sint64: -9223372036854775808n,
      f_uint64: "18446744073709551615",
      f_double: 5e-324,
    });
    expect(read).toMatchObject({ fInt64: 9223372036854775807n, fUint64: 18446744073709551615n });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE])(
    "holds %s",
    async (value) => {
      const { columns, read } = await store(make(EverythingSchema, { fDouble: value, wDoublevalue: value }));
      expect(columns).toMatchObject({ f_double: value, w_doublevalue: value });
      expect(read).toMatchObject({ fDouble: value });
    },
  );

  test("holds the first and the last instant of protobuf, cut to microseconds in the column", async () => {
    const first = await store(
      make(EverythingSchema, { wTimestamp: { seconds: -62_135_596_800n, nanos: 0 } }),
    );
    expect(first.columns["w_timestamp"]).toEqual(new Date("0001-01-01T00:00:00Z"));
    const last = await store(
      make(EverythingSchema, { wTimestamp: { seconds: 253_402_300_799n, nanos: 999_999_999 } }),
    );
    expect(last.columns["w_timestamp"]).toEqual(new Date("9999-12-31T23:59:59.999Z"));
    expect(last.read).toMatchObject({ wTimestamp: { seconds: 253_402_300_799n, nanos: 999_999_999 } });
    const [text] = await database.query<{ text: string }>(
      "select w_timestamp::text as text from test.everything where id = $1",
      [last.stored["id"]],
    );
    expect(text?.text).toBe("9999-12-31 23:59:59.999999+00");
  });

  test.each([
    [315_575_999_999n, 999_999_999, "87659999:59:59.999999"],
    [315_576_000_000n, 0, "87660000:00:00"],
    [-315_575_999_999n, -999_999_999, "-87659999:59:59.999999"],
    [0n, -1_000, "-00:00:00.000001"],
  ])("holds a duration of %s s and %s ns as %s", async (seconds, nanos, expected) => {
    const { columns, read } = await store(make(EverythingSchema, { wDuration: { seconds, nanos } }));
    expect(columns["w_duration"]).toBe(expected);
    expect(read).toMatchObject({ wDuration: { seconds, nanos } });
  });

  test("written before its fields existed reads as their defaults", async () => {
    await database.query(`insert into test.everything (pb) values ('{"id": "old"}')`);
    const [row] = await database.query(
      "select f_int32, f_string, status, o_int32 from test.everything where id = 'old'",
    );
    expect(row).toEqual({ f_int32: 0, f_string: "", status: "STATUS_UNSPECIFIED", o_int32: null });
    expect(await rows.get("old")).toMatchObject({ id: "old", fInt32: 0, tags: [] });
  });
});

function jsonOf(message: LooseMessage): JsonObject {
  return encodeJson(EverythingSchema, message, testRegistry) as JsonObject;
}
