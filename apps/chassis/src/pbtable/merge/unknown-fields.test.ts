import type { DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { newBuild, oldBuild, oldFields, type TestBuild, testBuild } from "../../schema/json/test-builds.ts";
import { tableOf } from "../../schema/table/table.ts";
import { EverythingSchema, LineSchema, type LooseMessage, make } from "../../schema/test-schema.ts";
import { TableWriter } from "../table-writer.ts";
import { createTables, LooseWriter, storedRow } from "../test-table.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createTables(database, [EverythingSchema]);
});
afterAll(() => database[Symbol.asyncDispose]());

/** The orders of a build. */
class LooseOrders {
  readonly writer: TableWriter<DescMessage>;
  readonly #database: TestDatabase;

  constructor(build: TestBuild, opened: TestDatabase) {
    this.#database = opened;
    this.writer = new TableWriter(tableOf(build.message("Order")), opened.pool, build.registry);
  }

  async get(orderId: string): Promise<LooseMessage | undefined> {
    return (await this.writer.get(orderId)) as LooseMessage | undefined;
  }

  async edit(orderId: string, edit: (draft: LooseMessage) => void): Promise<void> {
    await this.writer.update(orderId, (draft) => edit(draft as LooseMessage));
  }

  update(orderId: string, changes: object): Promise<void> {
    return this.edit(orderId, (draft) => void Object.assign(draft, changes));
  }

  async stored(orderId: string): Promise<Record<string, unknown>> {
    const rows = await this.#database.query<{ pb: Record<string, unknown> }>(
      "select pb from test.orders where order_id = $1",
      [orderId],
    );
    return rows[0]?.pb ?? {};
  }
}

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

describe("builds of one table", () => {
  const gift = { "@type": "type.googleapis.com/shop.v1.Gift", text: "kept", inner: null };
  let oldOrders: LooseOrders;
  let newOrders: LooseOrders;

  beforeAll(async () => {
    await createTables(database, [newBuild.message("Order")]);
    oldOrders = new LooseOrders(oldBuild, database);
    newOrders = new LooseOrders(newBuild, database);
  });

  test("keep an Any that one of them does not know, through every way to write", async () => {
    await database.query("insert into test.orders (pb) values ($1)", [
      { orderId: "a", extra: gift, extras: [gift] },
    ]);
    await oldOrders.update("a", { note: "old" });
    const read = await oldOrders.get("a");
    await oldOrders.writer.insert({ ...read, orderId: "copy" });
    for (const orderId of ["a", "copy"]) {
      expect(await oldOrders.stored(orderId)).toMatchObject({ note: "old", extra: gift, extras: [gift] });
    }
  });

  test("each set a member of a oneof: the one that did not know the other set it later", async () => {
    await newOrders.writer.insert({ orderId: "b", payment: { case: "crypto", value: "c" } });
    expect((await oldOrders.get("b"))?.["payment"]).toEqual({ case: undefined });
    await oldOrders.update("b", { payment: { case: "card", value: "1" } });
    expect(await oldOrders.stored("b")).toMatchObject({ card: "1", crypto: "c" });
    for (const orders of [oldOrders, newOrders]) {
      expect((await orders.get("b"))?.["payment"]).toEqual({ case: "card", value: "1" });
    }
    await newOrders.update("b", {
      payment: { case: "loan", value: make(newBuild.message("Line"), { sku: "l" }) },
    });
    const stored = await newOrders.stored("b");
    expect(stored).toMatchObject({ loan: { sku: "l" } });
    expect(stored).not.toHaveProperty("card");
    expect(stored).not.toHaveProperty("crypto");
  });

  test("keep each other's nested fields while lists shrink, move and change at once", async () => {
    const lines = ["a", "b", "c"].map((sku) => ({ sku, engraving: `for ${sku}` }));
    await newOrders.writer.insert({ orderId: "c", lines });
    await oldOrders.edit("c", (draft) => {
      const [first, , last] = draft["lines"] as LooseMessage[];
      draft["lines"] = [last, Object.assign(first ?? {}, { quantity: 5 })];
    });
    expect((await newOrders.stored("c"))["lines"]).toMatchObject([
      { sku: "c", engraving: "for c" },
      { sku: "a", engraving: "for a", quantity: 5 },
    ]);
  });

  test("still read and keep a field that one of them has deleted and reserved", async () => {
    await newOrders.writer.insert({ orderId: "d", note: "kept", gift: { text: "x" } });
    const { note: _, ...fields } = oldFields;
    const table = { name: "test.orders", key: ["order_id"] };
    const kinds = { Kind: ["KIND_UNSPECIFIED"] };
    const without = testBuild({
      enums: kinds,
      messages: { Line: { fields: { sku: "string" } }, Order: { table, fields } },
    });
    const lastOrders = new LooseOrders(without, database);
    await lastOrders.update("d", { card: "x", payment: { case: "card", value: "1" } });
    expect(await newOrders.stored("d")).toMatchObject({ note: "kept", card: "1", gift: { text: "x" } });
    const [row] = await database.query("select note from test.orders where order_id = 'd'");
    expect(row).toEqual({ note: "kept" });
  });
});

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
