import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { EverythingSchema, LineSchema, type LooseMessage, make } from "../schema/test-schema.ts";
import { createTables, LooseWriter, storedRow } from "./test-table.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [EverythingSchema]);
});
afterAll(() => database[Symbol.asyncDispose]());

let count = 0;

/** Stores JSON as another build would, lets this build edit the row, and gives the JSON that is there then. */
async function edited(stored: Record<string, unknown>, edit: (draft: LooseMessage) => void) {
  const id = `row ${++count}`;
  await database.query("insert into test.everything (pb) values ($1)", [JSON.stringify({ id, ...stored })]);
  await new LooseWriter(EverythingSchema, database.pool).update(id, edit);
  const row = await storedRow(database, EverythingSchema, id);
  return row?.pb ?? {};
}

const touch = (draft: LooseMessage) => {
  draft["fInt32"] = 7;
};

describe("an update by a build that knows less", () => {
  test("keeps fields it does not know, of any type", async () => {
    const future = {
      futureText: "x",
      futureNumber: 1.5,
      futureList: [{ a: 1 }, null],
      futureNull: null,
      snake_case: 1,
    };
    expect(await edited({ ...future, fInt32: 1 }, touch)).toMatchObject({ ...future, fInt32: 7 });
  });

  test("keeps enum names it does not know", async () => {
    const stored = {
      status: "STATUS_FUTURE",
      maybeStatus: "STATUS_FUTURE",
      statuses: ["STATUS_OPEN", "STATUS_FUTURE"],
    };
    expect(await edited(stored, touch)).toMatchObject(stored);
  });

  test("keeps enum names it does not know in a list that it adds to", async () => {
    const pb = await edited({ statuses: ["STATUS_FUTURE", "STATUS_OPEN"] }, (draft) => {
      (draft["statuses"] as number[]).push(2);
    });
    expect(pb["statuses"]).toEqual(["STATUS_FUTURE", "STATUS_OPEN", "STATUS_CLOSED"]);
  });

  test("sets an enum over a name it does not know when told to", async () => {
    const pb = await edited({ status: "STATUS_FUTURE" }, (draft) => {
      draft["status"] = 1;
    });
    expect(pb["status"]).toBe("STATUS_OPEN");
  });

  test("keeps what it does not know of nested messages, lists and maps", async () => {
    const stored = {
      line: { sku: "a", future: 1, parts: [{ sku: "b", future: 2 }] },
      lines: [{ sku: "c", future: 3 }],
      lineOf: { k: { sku: "d", future: 4 }, __proto: { future: 5 } },
    };
    const pb = await edited(stored, (draft) => {
      Object.assign(draft["line"] as LooseMessage, { quantity: 9n });
      (draft["lines"] as LooseMessage[]).push(make(LineSchema, { sku: "new" }));
      Object.assign((draft["lineOf"] as Record<string, LooseMessage>)["k"] ?? {}, { sku: "d2" });
    });
    expect(pb).toMatchObject({
      line: { sku: "a", future: 1, quantity: "9", parts: [{ sku: "b", future: 2 }] },
      lines: [{ sku: "c", future: 3 }, { sku: "new" }],
      lineOf: { k: { sku: "d2", future: 4 }, __proto: { future: 5 } },
    });
  });

  test("changes nothing but what it edits: keys that were absent stay absent", async () => {
    expect(Object.keys(await edited({ fString: "x" }, touch)).sort()).toEqual(["fInt32", "fString", "id"]);
  });

  test("removes what it clears", async () => {
    const pb = await edited({ oInt32: 5, card: "1", tags: ["a"], labels: { a: "1", b: "2" } }, (draft) => {
      delete draft["oInt32"];
      draft["payment"] = { case: "cents", value: 3n };
      draft["tags"] = [];
      delete (draft["labels"] as Record<string, string>)["a"];
    });
    expect(pb).toMatchObject({ cents: "3", tags: [], labels: { b: "2" } });
    expect(pb).not.toHaveProperty("oInt32");
    expect(pb).not.toHaveProperty("card");
    expect(pb["labels"]).not.toHaveProperty("a");
  });

  test("keeps a map key named __proto__ an ordinary key", async () => {
    const labels = JSON.parse('{"__proto__": "x", "constructor": "y"}');
    const pb = await edited({ labels }, (draft) => {
      Object.assign(draft["labels"] as object, { toString: "z" });
    });
    expect(JSON.stringify(pb["labels"])).toBe('{"toString":"z","__proto__":"x","constructor":"y"}');
  });
});
