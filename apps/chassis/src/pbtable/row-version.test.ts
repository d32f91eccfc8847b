import { clone, create, type DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { tableOf } from "../schema/table/table.ts";
import { EverythingSchema, type LooseMessage, testRegistry } from "../schema/test-schema.ts";
import { runTransaction } from "../sql/run-transaction.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { TableWriter } from "./table-writer.ts";
import { createTables, storedRow } from "./test-table.ts";

let database: TestDatabase;
let things: TableWriter<DescMessage>;

const writer = (client: SqlClient) => new TableWriter(tableOf(EverythingSchema), client, testRegistry);
const set = (fields: Record<string, unknown>) => (draft: unknown) =>
  void Object.assign(draft as object, fields);

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [EverythingSchema]);
  things = writer(database.pool);
});
afterAll(() => database[Symbol.asyncDispose]());

describe("versionOf", () => {
  test("tells the version of a message by how it was read or written", async () => {
    const inserted = await things.insert({ id: "a" });
    expect(things.versionOf(inserted)).toBe(1n);
    const updated = await things.update("a", set({ fInt32: 1 }));
    expect(things.versionOf(updated)).toBe(2n);
    const read = await things.get("a");
    expect(read && things.versionOf(read)).toBe(2n);
    const [one] = await things.getMany(["a"]);
    expect(one && things.versionOf(one)).toBe(2n);
    const locked = await things.getForUpdate("a");
    expect(locked && things.versionOf(locked)).toBe(2n);
    expect(await things.patch("a", { fInt32: 2 })).toBe(3n);
    expect(things.versionOf(await things.upsert({ id: "a" }))).toBe(4n);
    expect(things.versionOf(await things.upsert({ id: "b" }))).toBe(1n);
    const [many] = await things.insertMany([{ id: "c" }]);
    expect(many && things.versionOf(many)).toBe(1n);
    for await (const message of things.stream({ where: { id: "a" } })) {
      expect(things.versionOf(message)).toBe(4n);
    }
  });

  test("knows nothing of copies and of messages from elsewhere", async () => {
    const inserted = await things.insert({ id: "copied" });
    expect(things.versionOf(clone(EverythingSchema, inserted))).toBeUndefined();
    expect(things.versionOf({ ...inserted })).toBeUndefined();
    expect(things.versionOf(structuredClone(inserted))).toBeUndefined();
  });

  test("leaves no trace in a message, and takes frozen ones", async () => {
    const init = Object.freeze(create(EverythingSchema, { id: "frozen" }));
    expect(things.versionOf(await things.insert(init))).toBe(1n);
    const read = await things.get("frozen");
    expect(read).toStrictEqual(create(EverythingSchema, { id: "frozen" }));
    expect(Object.getOwnPropertyNames(read)).toEqual(Object.getOwnPropertyNames(init));
  });
});

describe("an expected version", () => {
  const refused = { code: "version_mismatch", field: "version" };

  test("that the row has lets update, patch and delete pass", async () => {
    await things.insert({ id: "pass" });
    await things.update("pass", set({ fInt32: 1 }), { version: 1n });
    await things.patch("pass", { fInt32: 2 }, { version: 2n });
    expect(await things.delete("pass", { version: 3n })).toBe(true);
  });

  test("that the row no longer has refuses update, patch and delete, and names both", async () => {
    await things.insert({ id: "late" });
    await things.update("late", set({ fInt32: 1 }));
    await expect(things.update("late", set({ fInt32: 9 }), { version: 1n })).rejects.toMatchObject({
      ...refused,
      message: 'Everything "late" is at version 2, not 1.',
    });
    await expect(things.patch("late", { fInt32: 9 }, { version: 1n })).rejects.toMatchObject(refused);
    await expect(things.patch("late", { lines: [{}] }, { version: 1n })).rejects.toMatchObject(refused);
    await expect(things.patch("late", { fInt32: 1 }, { version: 1n })).rejects.toMatchObject(refused);
    await expect(things.delete("late", { version: 1n })).rejects.toMatchObject(refused);
    expect(await storedRow(database, EverythingSchema, "late")).toMatchObject({
      version: "2",
      pb: { fInt32: 1 },
    });
  });

  test("of a row that is gone: update and patch are not_found, delete has nothing to do", async () => {
    await expect(things.update("gone", set({}), { version: 1n })).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(things.patch("gone", { fInt32: 1 }, { version: 1n })).rejects.toMatchObject({
      code: "not_found",
    });
    expect(await things.delete("gone", { version: 1n })).toBe(false);
  });

  test("is not run again by the transaction: the decision is the caller's", async () => {
    await things.insert({ id: "once" });
    let runs = 0;
    const late = runTransaction(database.pool, (client) => {
      runs++;
      return writer(client).update("once", set({ fInt32: 1 }), { version: 7n });
    });
    await expect(late).rejects.toMatchObject(refused);
    expect(runs).toBe(1);
  });

  test.each<[string, (client: SqlClient, value: number) => Promise<unknown>]>([
    ["update", (client, value) => writer(client).update("race", set({ fInt32: value }), { version: 1n })],
    ["patch", (client, value) => writer(client).patch("race", { fInt32: value }, { version: 1n })],
  ])("lets exactly one of several at once %s", async (_, change) => {
    await things.delete("race");
    await things.insert({ id: "race" });
    const racers = [1, 2, 3, 4].map((value) =>
      runTransaction(database.pool, (client) => change(client, value)),
    );
    const results = await Promise.allSettled(racers);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject(refused);
    }
    expect((await storedRow(database, EverythingSchema, "race"))?.version).toBe("2");
  });

  test("lets exactly one of several at once delete", async () => {
    await things.insert({ id: "race to delete" });
    const racers = [1, 2, 3].map(() => things.delete("race to delete", { version: 1n }));
    const results = await Promise.all(racers);
    expect(results.filter((deleted) => deleted)).toHaveLength(1);
  });
});

describe("a change that changes nothing", () => {
  /** Patches a row, and reads what has the version that the patch says. */
  const patched = async (changes: Record<string, unknown>) => {
    const version = await things.patch("same", changes);
    const read = await things.get("same");
    expect(read && things.versionOf(read)).toBe(version);
    return read;
  };

  test.each<[string, () => Promise<unknown>]>([
    ["update", () => things.update("same", () => undefined)],
    ["update to the same values", () => things.update("same", set({ fInt32: 3, tags: ["a"] }))],
    ["patch", () => patched({ fInt32: 3 })],
    ["patch of nothing", () => patched({})],
    ["patch that clears what is not set", () => patched({ oInt32: null })],
    ["upsert", () => things.upsert({ id: "same", fInt32: 3, tags: ["a"] })],
  ])("writes nothing: %s", async (_, change) => {
    await things.insertIfAbsent({ id: "same", fInt32: 3, tags: ["a"] });
    const before = await database.query("select xmin::text, version from test.everything where id = 'same'");
    const answer = (await change()) as LooseMessage;
    expect(answer).toMatchObject({ id: "same", fInt32: 3, tags: ["a"] });
    expect(things.versionOf(answer)).toBe(1n);
    expect(await database.query("select xmin::text, version from test.everything where id = 'same'")).toEqual(
      before,
    );
  });
});

describe("an update whose own transaction changes the row meanwhile", () => {
  const increase = (draft: unknown) => {
    const loose = draft as LooseMessage;
    loose["fInt32"] = Number(loose["fInt32"]) + 1;
  };
  const tries: [string, (rows: TableWriter<DescMessage>) => Promise<unknown>][] = [
    ["another one beside it", (rows) => Promise.all([1, 2].map(() => rows.update("own", increase)))],
    ["one inside its edit", (rows) => rows.update("own", (draft) => patchInside(rows, draft))],
    ["an upsert inside its edit", (rows) => rows.update("own", (draft) => upsertInside(rows, draft))],
  ];

  async function patchInside(rows: TableWriter<DescMessage>, draft: unknown): Promise<void> {
    increase(draft);
    await rows.patch("own", { fString: "inner" });
  }
  async function upsertInside(rows: TableWriter<DescMessage>, draft: unknown): Promise<void> {
    increase(draft);
    await rows.upsert({ id: "own", fString: "inner" });
  }

  test.each(tries)("is aborted, and loses nothing: %s", async (_, attempt) => {
    await things.upsert({ id: "own", fInt32: 5, fString: "" });
    await expect(runTransaction(database.pool, (client) => attempt(writer(client)))).rejects.toMatchObject({
      code: "aborted",
    });
    expect(await things.get("own")).toMatchObject({ fInt32: 5, fString: "" });
  });
});

test("A row that is deleted and inserted again while an update waits for it is there to be updated", async () => {
  await things.insert({ id: "replaced" });
  const other = await database.connect();
  await other.query("begin");
  await other.query("delete from test.everything where id = 'replaced'");
  await other.query(`insert into test.everything (pb) values ('{"id": "replaced", "fString": "new"}')`);
  const update = runTransaction(database.pool, (client) =>
    writer(client).update("replaced", set({ fInt32: 1 })),
  );
  await lockWait();
  await other.query("commit");
  expect(await update).toMatchObject({ fString: "new", fInt32: 1 });
});

/** Ends when a statement waits for another transaction. */
async function lockWait(): Promise<void> {
  const waiting =
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  while ((await database.query(waiting)).length === 0);
}
