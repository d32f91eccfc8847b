import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import {
  CounterSchema,
  EverythingSchema,
  KeyedSchema,
  lonelyMessage,
  PairSchema,
} from "../schema/test-schema.ts";
import { createTables, LooseWriter, storedRow } from "./test-table.ts";

let database: TestDatabase;
let things: LooseWriter;
let pairs: LooseWriter;
let counters: LooseWriter;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [EverythingSchema, PairSchema, KeyedSchema, CounterSchema]);
  [things, pairs, counters] = [EverythingSchema, PairSchema, CounterSchema].map(
    (message) => new LooseWriter(message, database.pool),
  ) as [LooseWriter, LooseWriter, LooseWriter];
});
afterAll(() => database[Symbol.asyncDispose]());

describe("insert", () => {
  test("answers with the message, stored at version 1", async () => {
    expect(await things.insert({ id: "new", fInt32: 5 })).toMatchObject({ id: "new", fInt32: 5, tags: [] });
    expect((await storedRow(database, EverythingSchema, "new"))?.version).toBe("1");
  });

  test("of a taken key is already_exists and names the row", async () => {
    await things.insert({ id: "taken" });
    await expect(things.insert({ id: "taken" })).rejects.toMatchObject({
      code: "already_exists",
      message: 'Everything "taken" exists already.',
    });
  });

  test("of a value that an index keeps unique is already_exists and names the fields", async () => {
    await pairs.insert({ tenant: "unique", number: 1n, label: "one" });
    await expect(pairs.insert({ tenant: "unique", number: 2n, label: "one" })).rejects.toMatchObject({
      code: "already_exists",
      message: "Another Pair has the same tenant, label.",
    });
  });

  test.each([
    ["U+0000", { id: "nul", fString: "a\0b" }],
    ["half a surrogate pair", { id: "half", fString: "\ud800" }],
    [
      "a key no index can hold",
      { id: Array.from({ length: 9000 }, () => Math.random().toString(36)[2]).join("") },
    ],
  ])("of %s is invalid_argument", async (_, init) => {
    await expect(things.insert(init)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("insertIfAbsent", () => {
  test("stores once and changes nothing the second time", async () => {
    const { writer } = things;
    expect(await writer.insertIfAbsent({ id: "once", fInt32: 1 })).toBe(true);
    expect(await writer.insertIfAbsent({ id: "once", fInt32: 2 })).toBe(false);
    expect(await things.get("once")).toMatchObject({ fInt32: 1 });
  });

  test("does not take another row's unique value for its own key", async () => {
    await pairs.insert({ tenant: "absent", number: 1n, label: "one" });
    await expect(
      pairs.writer.insertIfAbsent({ tenant: "absent", number: 2n, label: "one" }),
    ).rejects.toMatchObject({ code: "already_exists" });
  });
});

describe("update", () => {
  test("stores the edit, answers with it and raises the version by one", async () => {
    await things.insert({ id: "edit", fInt32: 1, tags: ["a"] });
    const updated = await things.update("edit", (draft) => {
      draft["fInt32"] = 2;
    });
    expect(updated).toMatchObject({ fInt32: 2, tags: ["a"] });
    expect(await things.get("edit")).toMatchObject({ fInt32: 2, tags: ["a"] });
    expect((await storedRow(database, EverythingSchema, "edit"))?.version).toBe("2");
  });

  test("of no row is not_found", async () => {
    await expect(things.update("nobody", () => undefined)).rejects.toMatchObject({
      code: "not_found",
      message: 'There is no Everything "nobody".',
    });
  });

  test("of the key is refused and stores nothing", async () => {
    await things.insert({ id: "key" });
    const edit = things.update("key", (draft) => {
      draft["id"] = "other";
    });
    await expect(edit).rejects.toMatchObject({ code: "invalid_argument" });
    expect((await storedRow(database, EverythingSchema, "key"))?.version).toBe("1");
  });

  test("that takes another row's unique value is already_exists", async () => {
    await pairs.insert({ tenant: "move", number: 1n, label: "one" });
    await pairs.insert({ tenant: "move", number: 2n, label: "two" });
    const edit = pairs.update(["move", 2n], (draft) => {
      draft["label"] = "one";
    });
    await expect(edit).rejects.toMatchObject({ code: "already_exists" });
  });

  test("whose edit throws stores nothing", async () => {
    await things.insert({ id: "throws" });
    const edit = things.update("throws", () => Promise.reject(new RangeError("enough")));
    await expect(edit).rejects.toThrow(RangeError);
    expect((await storedRow(database, EverythingSchema, "throws"))?.version).toBe("1");
  });
});

describe("delete", () => {
  test("tells whether the row was there", async () => {
    await things.insert({ id: "gone" });
    expect(await things.writer.delete("gone")).toBe(true);
    expect(await things.writer.delete("gone")).toBe(false);
    expect(await things.get("gone")).toBeUndefined();
  });
});

describe("keys", () => {
  test("a composite key of every kind finds its row, and no other", async () => {
    const keyed = new LooseWriter(KeyedSchema, database.pool);
    const big = 2n ** 64n - 1n;
    await keyed.insert({ big, flag: true, status: 1, small: -5, text: "found" });
    expect(await keyed.get([big, true, "STATUS_OPEN", -5])).toMatchObject({ text: "found" });
    expect(await keyed.get([big, false, "STATUS_OPEN", -5])).toBeUndefined();
    expect(await keyed.writer.delete([big, true, "STATUS_OPEN", -5])).toBe(true);
  });

  test("of the wrong number of values are refused and name the columns", async () => {
    await expect(pairs.get("one")).rejects.toThrow("test.pairs has the key (tenant, number), not 1 values.");
    await expect(things.get(["a", "b"])).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("out of their column's range are invalid_argument", async () => {
    await expect(counters.get(2n ** 70n)).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(counters.get("x")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("beyond 2^53 are exact", async () => {
    await counters.insert({ id: 2n ** 53n + 1n, value: 1n });
    expect(await counters.get(2n ** 53n)).toBeUndefined();
    expect(await counters.get(2n ** 53n + 1n)).toMatchObject({ value: 1n });
  });

  test("quotes and SQL in them are text", async () => {
    const id = `'; drop table test.everything; -- "`;
    await things.insert({ id });
    expect(await things.get(id)).toMatchObject({ id });
  });
});

describe("getMany", () => {
  test("reads the rows there are, each once", async () => {
    await things.insert({ id: "many 1" });
    await things.insert({ id: "many, 2" });
    const found = await things.writer.getMany(["many 1", "none", "many, 2", "many 1"]);
    expect(found.map((message) => Reflect.get(message, "id")).sort()).toEqual(["many 1", "many, 2"]);
    expect(await things.writer.getMany([])).toEqual([]);
  });

  test("takes bigint keys", async () => {
    await counters.insert({ id: 2n ** 60n, value: 9n });
    expect(await counters.writer.getMany([2n ** 60n, 5n])).toHaveLength(1);
  });

  test("of a composite key is refused", async () => {
    await expect(pairs.writer.getMany(["one"])).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

test("tables whose long names begin alike do not share prepared statements", async () => {
  const long = `test.${"long_".repeat(9)}`;
  const messages = ["1", "2"].map((end) =>
    lonelyMessage({ name: `${long}${end}`, key: ["id"] }, { id: "string" }),
  );
  await createTables(database, messages);
  await using stack = new AsyncDisposableStack();
  const client = await database.pool.connect();
  stack.defer(() => client.release());
  for (const message of messages) {
    const writer = new LooseWriter(message, client);
    expect(await writer.writer.insertIfAbsent({ id: "x" })).toBe(true);
    expect(await writer.get("x")).toMatchObject({ id: "x" });
  }
});
