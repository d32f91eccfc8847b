import { anyPack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import {
  CounterSchema,
  EverythingSchema,
  KeyedSchema,
  LineSchema,
  lonelyMessage,
  make,
  PairSchema,
} from "../schema/test-schema.ts";
import { runTransaction } from "../sql/run-transaction.ts";
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
    ["U+0000 in a key of a map", { id: "nul", labels: { "a\0": "1" } }],
    ["U+0000 inside an Any", { id: "nul", any: anyPack(LineSchema, make(LineSchema, { sku: "\0" })) }],
    [
      "a key no index can hold",
      { id: Array.from({ length: 9000 }, () => Math.random().toString(36)[2]).join("") },
    ],
  ])("of %s is invalid_argument", async (_, init) => {
    await expect(things.insert(init)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

test("A key that is no Unicode is no row's, not that of U+FFFD", async () => {
  await things.insert({ id: "odd\ufffd" });
  for (const read of [
    things.get("odd\ud800"),
    things.writer.getMany(["odd\ud800"]),
    things.writer.delete("odd\ud800"),
    things.writer.list({ where: { id: "odd\ud800" } }),
    things.writer.list({ where: { id: { startsWith: "odd\ud800" } } }),
  ]) {
    await expect(read).rejects.toMatchObject({ code: "invalid_argument" });
  }
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

  test("takes composite keys of every kind, and reads each row once", async () => {
    const keyed = new LooseWriter(KeyedSchema, database.pool);
    for (const small of [1, 2, 3]) {
      await keyed.insert({ big: 2n ** 63n, flag: small > 1, status: 2, small, text: `many ${small}` });
    }
    const found = await keyed.writer.getMany([
      [2n ** 63n, false, "STATUS_CLOSED", 1],
      [2n ** 63n, true, 2, 3],
      [2n ** 63n, true, "STATUS_CLOSED", 3],
      [2n ** 63n, true, "STATUS_CLOSED", 1],
    ]);
    expect(found.map((message) => Reflect.get(message, "text")).sort()).toEqual(["many 1", "many 3"]);
  });

  test("refuses keys of the wrong number of values", async () => {
    await expect(pairs.writer.getMany(["one"])).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("getStored", () => {
  test("gives the text as it is stored, what this build does not know included, and decodes it when asked", async () => {
    await database.query(
      `insert into test.everything (pb) values ('{"id": "raw", "fInt32": 7, "future": [1]}')`,
    );
    const stored = await things.writer.getStored("raw");
    expect(JSON.parse(stored?.text ?? "")).toEqual({ id: "raw", fInt32: 7, future: [1] });
    expect(stored?.version).toBe(1n);
    expect(stored?.message()).toMatchObject({ id: "raw", fInt32: 7, tags: [] });
    expect(stored?.message()).toBe(stored?.message());
    expect(stored && things.writer.versionOf(stored.message())).toBe(1n);
  });

  test("of no row is undefined", async () => {
    expect(await things.writer.getStored("none")).toBeUndefined();
  });
});

describe("insertMany", () => {
  const numbered = (tenant: string, count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => ({
      tenant,
      number: BigInt(from + index),
      label: `label ${from + index}`,
    }));

  test("stores rows of several statements and answers with them in order", async () => {
    const stored = await pairs.writer.insertMany(numbered("several", 2_500));
    expect(stored.map((message) => Reflect.get(message, "number"))).toEqual(
      Array.from({ length: 2_500 }, (_, index) => BigInt(index)),
    );
    const [row] = await database.query("select count(*)::int from test.pairs where tenant = 'several'");
    expect(row).toEqual({ count: 2_500 });
  });

  test("stores rows that are long", async () => {
    const label = "x".repeat(400_000);
    const inits = ["long 1", "long 2", "long 3", "long 4"].map((id) => ({ id, fString: label }));
    expect(await things.writer.insertMany(inits)).toHaveLength(4);
    expect(await things.get("long 4")).toMatchObject({ fString: label });
  });

  test("of no rows stores none", async () => {
    expect(await pairs.writer.insertMany([])).toEqual([]);
  });

  test.each<[string, number]>([
    ["in the first statement", 3],
    ["in a later statement", 1_700],
  ])("names the first row whose key is taken, %s, and stores none", async (_, at) => {
    const tenant = `taken ${at}`;
    for (const number of [at + 5, at])
      await pairs.insert({ tenant, number: BigInt(number), label: `old ${number}` });
    const inserting = runTransaction(database.pool, (client) =>
      new LooseWriter(PairSchema, client).writer.insertMany(numbered(tenant, 2_000)),
    );
    await expect(inserting).rejects.toMatchObject({
      code: "already_exists",
      field: `[${at}]`,
      message: `Pair "${tenant}", "${at}" exists already.`,
    });
    const [row] = await database.query("select count(*)::int from test.pairs where tenant = $1", [tenant]);
    expect(row).toEqual({ count: 2 });
  });

  test("names the second of two rows of its own with one unique value", async () => {
    const inits = [...numbered("twice", 3), { tenant: "twice", number: 9n, label: "label 1" }];
    await expect(pairs.writer.insertMany(inits)).rejects.toMatchObject({
      code: "already_exists",
      message: "Another Pair has the same tenant, label.",
      field: expect.stringMatching(/^\[[13]\]$/),
    });
  });

  test("refuses U+0000 in any of them and stores none", async () => {
    const inits = [{ id: "nul 1" }, { id: "nul 2", tags: ["a", "b\0"] }];
    await expect(things.writer.insertMany(inits)).rejects.toMatchObject({
      code: "invalid_argument",
      field: "tags[1]",
    });
    expect(await things.get("nul 1")).toBeUndefined();
  });
});

describe("upsert", () => {
  test("stores a new row", async () => {
    expect(await things.writer.upsert({ id: "up", fInt32: 1 })).toMatchObject({ id: "up", fInt32: 1 });
    expect((await storedRow(database, EverythingSchema, "up"))?.version).toBe("1");
  });

  test("makes every field it knows of a stored row what it is given, and keeps what it does not know", async () => {
    const old = {
      id: "merge",
      fInt32: 5,
      oInt32: 6,
      card: "1",
      status: "STATUS_OPEN",
      line: { sku: "a", future: 1 },
      tags: ["a"],
      future: { deep: true },
    };
    await database.query("insert into test.everything (pb) values ($1)", [JSON.stringify(old)]);
    const answer = await things.writer.upsert({
      id: "merge",
      fString: "new",
      line: { sku: "b" },
      payment: { case: "cents", value: 3n },
    });
    expect(answer).toEqual(await things.get("merge"));
    const row = await storedRow(database, EverythingSchema, "merge");
    expect(row?.version).toBe("2");
    expect(row?.pb).toMatchObject({
      fString: "new",
      fInt32: 0,
      cents: "3",
      status: "STATUS_UNSPECIFIED",
      line: { sku: "b", future: 1 },
      tags: [],
      future: { deep: true },
    });
    expect(row?.pb).not.toHaveProperty("oInt32");
    expect(row?.pb).not.toHaveProperty("card");
  });

  test("of an enum key without a name finds its row", async () => {
    const keyed = new LooseWriter(KeyedSchema, database.pool);
    const key = { big: 5n, flag: true, status: 77, small: 1 };
    await keyed.writer.upsert({ ...key, text: "one" });
    await keyed.writer.upsert({ ...key, text: "two" });
    expect(await keyed.get([5n, true, 77, 1])).toMatchObject({ text: "two" });
  });

  test("of one key at once by many loses none and fails for none", async () => {
    const each = Array.from({ length: 12 }, (_, value) =>
      runTransaction(database.pool, (client) =>
        new LooseWriter(EverythingSchema, client).writer.upsert({ id: "crowd", fInt32: value + 1 }),
      ),
    );
    expect(await Promise.all(each)).toHaveLength(12);
    expect((await storedRow(database, EverythingSchema, "crowd"))?.version).toBe("12");
  });

  test("of a row that others insert and delete at once ends with a row or aborted", async () => {
    const churn = Array.from({ length: 30 }, (_, count) =>
      count % 2 === 0
        ? things.writer.upsert({ id: "churn", fInt32: count + 1 })
        : things.writer.delete("churn"),
    );
    for (const result of await Promise.allSettled(churn)) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "aborted" });
    }
  });

  test("that takes another row's unique value is already_exists", async () => {
    await pairs.insert({ tenant: "upsert", number: 1n, label: "one" });
    await pairs.insert({ tenant: "upsert", number: 2n, label: "two" });
    const taking = pairs.writer.upsert({ tenant: "upsert", number: 2n, label: "one" });
    await expect(taking).rejects.toMatchObject({ code: "already_exists" });
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
