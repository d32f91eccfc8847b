import type { Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase, testPassword } from "../../cluster/postgres/test-database.ts";
import { quoteLiteral } from "../../schema/identifier.ts";
import { EverythingSchema, KeyedSchema, PairSchema } from "../../schema/test-schema.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { createTransactionKysely } from "../kysely.ts";
import type { ViewRow } from "../table-types.ts";
import { LooseWriter, storedRow } from "../test-table.ts";
import { createViews, faultOf, rowMessage } from "./test-view.ts";

const RowSchema = rowMessage({
  id: "string",
  seats: "int32",
  address: ".view.v1.Address path=city,country",
  card: "oneof pay string",
  cents: "oneof pay int64",
  secret: "oneof pay string hidden",
  note: "hidden string",
});

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createViews(database, [EverythingSchema, PairSchema, KeyedSchema, RowSchema]);
});
afterAll(() => database[Symbol.asyncDispose]());

const run = (sql: string, values: readonly unknown[] = []) => database.query(sql, values);

async function pbOf(id: string): Promise<Record<string, unknown> | undefined> {
  return (await storedRow(database, RowSchema, id))?.pb;
}

describe("INSERT through the view", () => {
  test("stores many rows as canonical messages at version 1 and returns them", async () => {
    const rows = await run(
      "insert into test.pairs_view (tenant, number, label) values ('many', 1, 'x'), ('many', 2, null) returning *",
    );
    expect(rows).toEqual([
      { tenant: "many", number: 1n, label: "x", version: 1n },
      { tenant: "many", number: 2n, label: "", version: 1n },
    ]);
    expect(await run("select pb from test.pairs where tenant = 'many' and number = 2")).toEqual([
      { pb: { tenant: "many", number: "2", label: "", secret: "" } },
    ]);
  });

  test("gives left out columns their defaults, of the key too", async () => {
    expect(await run("insert into test.keyed_view default values returning *")).toEqual([
      { big: "0", flag: false, status: "STATUS_UNSPECIFIED", small: 0, text: "", version: 1n },
    ]);
  });

  test("takes version 1 and no other", async () => {
    await run("insert into test.rows_view (id, version) values ('first', 1)");
    const fault = await faultOf(run("insert into test.rows_view (id, version) values ('second', 2)"));
    expect(fault).toMatchObject({ code: "0A000", message: expect.stringContaining("version cannot be set") });
  });

  test("of a key that is taken fails as in a table, whatever ON CONFLICT says", async () => {
    await run("insert into test.rows_view (id) values ('taken')");
    const insert = "insert into test.rows_view (id) values ('taken')";
    expect(await faultOf(run(insert))).toMatchObject({ code: "23505" });
    expect(await faultOf(run(`${insert} on conflict do nothing`))).toMatchObject({ code: "23505" });
  });

  test("is what COPY does, too", async () => {
    await run(`copy test.rows_view (id, seats) from program 'echo "copied,4"' with (format csv)`);
    expect(await pbOf("copied")).toEqual({ id: "copied", seats: 4, note: "" });
  });
});

describe("UPDATE through the view", () => {
  test("raises the version of every row and returns the rows as they are then", async () => {
    await run("insert into test.rows_view (id, seats) values ('up 1', 1), ('up 2', 2)");
    const update =
      "update test.rows_view set seats = seats * 10 where id like 'up %' returning id, seats, version";
    expect(await run(update)).toEqual([
      { id: "up 1", seats: 10, version: 2n },
      { id: "up 2", seats: 20, version: 2n },
    ]);
    const both =
      "update test.rows_view set seats = 7 where id = 'up 1' returning old.seats as was, new.seats as is";
    expect(await run(both)).toEqual([{ was: 10, is: 7 }]);
  });

  test("keeps all that the view does not show of a row", async () => {
    const pb = {
      id: "kept",
      status: "STATUS_OF_TOMORROW",
      wTimestamp: "2024-01-02T03:04:05.123456789Z",
      future: { deep: [1] },
      line: { sku: "s", tomorrow: true },
    };
    await run("insert into test.everything (pb) values ($1)", [JSON.stringify(pb)]);
    await run(
      "update test.everything_view set f_int32 = 5, status = status, w_timestamp = w_timestamp where id = 'kept'",
    );
    expect(await storedRow(database, EverythingSchema, "kept")).toEqual({
      pb: { ...pb, fInt32: 5 },
      version: "2",
    });
  });

  test("to NULL removes what can be absent and resets what cannot", async () => {
    await run(
      "insert into test.everything_view (id, o_string, line, tags, f_string) values ('null', '', '{}', '[\"a\"]', 'b')",
    );
    const [row] = await run(
      "update test.everything_view set o_string = null, line = null, tags = null, f_string = null where id = 'null' returning o_string, line, tags, f_string",
    );
    expect(row).toEqual({ o_string: null, line: null, tags: [], f_string: "" });
    const pb = (await storedRow(database, EverythingSchema, "null"))?.pb;
    expect(pb).toMatchObject({ tags: [], fString: "" });
    expect(Object.keys(pb ?? {})).not.toEqual(expect.arrayContaining(["oString"]));
    expect(Object.keys(pb ?? {})).not.toEqual(expect.arrayContaining(["line"]));
  });

  test("of a key or the version is refused, and of both to what they are is not", async () => {
    await run("insert into test.pairs_view (tenant, number) values ('same', 1)");
    const update = (set: string) =>
      run(`update test.pairs_view set ${set} where tenant = 'same' returning version`);
    expect(await faultOf(update("number = 2"))).toMatchObject({
      code: "0A000",
      message: expect.stringContaining("test.pairs_view: the key (tenant, number) cannot be changed"),
    });
    expect(await faultOf(update("version = 5"))).toMatchObject({ code: "0A000" });
    expect(await update("number = 1, version = 1, label = 'x'")).toEqual([{ version: 2n }]);
  });

  test("of one row twice by one statement is refused", async () => {
    await run("insert into test.rows_view (id) values ('twice')");
    const update = run("update test.rows_view set seats = s from (values (1), (2)) v(s) where id = 'twice'");
    expect(await faultOf(update)).toMatchObject({ code: "21000" });
  });
});

describe("DELETE and MERGE through the view", () => {
  test("DELETE returns the rows that were", async () => {
    await run("insert into test.rows_view (id, seats) values ('gone', 3)");
    const [row] = await run("delete from test.rows_view where id = 'gone' returning id, seats, version");
    expect(row).toEqual({ id: "gone", seats: 3, version: 1n });
    expect(await pbOf("gone")).toBeUndefined();
  });

  test("DELETE that names a row twice deletes it once", async () => {
    await run("insert into test.rows_view (id) values ('once')");
    const rows = await run(
      "delete from test.rows_view using (values (1), (2)) v where id = 'once' returning id",
    );
    expect(rows).toEqual([{ id: "once" }]);
  });

  test("MERGE inserts and updates", async () => {
    await run("insert into test.rows_view (id, seats) values ('merged', 1)");
    const rows = await run(
      `merge into test.rows_view v using (values ('merged', 5), ('new', 6)) s(id, seats) on v.id = s.id
       when matched then update set seats = s.seats when not matched then insert (id, seats) values (s.id, s.seats)
       returning merge_action() as action, v.seats, v.version`,
    );
    expect(rows).toEqual([
      { action: "UPDATE", seats: 5, version: 2n },
      { action: "INSERT", seats: 6, version: 1n },
    ]);
  });
});

describe("a oneof", () => {
  test("has the member that was set last, and no other, shown or not", async () => {
    await run(`insert into test.rows (pb) values ('{"id": "one", "secret": "s"}')`);
    const update = (set: string) =>
      run(`update test.rows_view set ${set} where id = 'one' returning card, cents`);
    expect(await update("card = 'c'")).toEqual([{ card: "c", cents: null }]);
    expect(await pbOf("one")).toEqual({ id: "one", card: "c" });
    expect(await update("cents = 3, card = card")).toEqual([{ card: null, cents: 3n }]);
    expect(await pbOf("one")).toEqual({ id: "one", cents: "3" });
    expect(await update("cents = null")).toEqual([{ card: null, cents: null }]);
    expect(await pbOf("one")).toEqual({ id: "one" });
  });

  test("refuses two members at once", async () => {
    const fault = await faultOf(run("insert into test.rows_view (id, card, cents) values ('two', 'c', 1)"));
    expect(fault).toEqual({
      code: "22023",
      message: "test.rows_view: only one of card, cents (oneof pay) can be set",
    });
  });
});

describe("a path column", () => {
  test("follows what it is a part of", async () => {
    const insert = `insert into test.rows_view (id, address) values ('path', '{"city": "Ulm"}') returning address_city, address_country`;
    expect(await run(insert)).toEqual([{ address_city: "Ulm", address_country: null }]);
    const update = `update test.rows_view set address = '{"city": "Bern", "country": "CH"}' where id = 'path' returning address_city`;
    expect(await run(update)).toEqual([{ address_city: "Bern" }]);
  });

  test("is not written by itself, and may say what is so", async () => {
    const rows = "insert into test.rows_view (id, address, address_city)";
    expect(await faultOf(run(`${rows} values ('path 2', '{"city": "Ulm"}', 'Bern')`))).toEqual({
      code: "0A000",
      message: "test.rows_view: address_city cannot be written: it is a part of address; write address",
    });
    await run(`${rows} values ('path 3', '{"city": "Ulm"}', 'Ulm')`);
    const update = run("update test.rows_view set address_city = 'Bern' where id = 'path 3'");
    expect(await faultOf(update)).toMatchObject({ code: "0A000" });
    expect(await pbOf("path 3")).toEqual({ id: "path 3", seats: 0, note: "", address: { city: "Ulm" } });
  });
});

test("Kysely inserts, updates and deletes through the view in a transaction", async () => {
  interface Views {
    readonly "test.rows_view": ViewRow<{
      key: { id: string };
      plain: { seats: number; card: string | null };
      json: { address: unknown };
    }>;
  }
  const seen = await runTransaction(database.pool, async (client) => {
    // Tests add no tables to the global type.
    const kysely = createTransactionKysely(client) as unknown as Kysely<Views>;
    const view = "test.rows_view";
    const inserted = await kysely
      .insertInto(view)
      .values([
        { id: "k1", seats: 1, address: JSON.stringify({ city: "Ulm" }) },
        { id: "k2", card: "c" },
      ])
      .returning(["id", "seats", "address", "card", "version"])
      .execute();
    const updated = await kysely
      .updateTable(view)
      .set((row) => ({ seats: row("seats", "+", 1) }))
      .where("id", "in", ["k1", "k2"])
      .returning(["id", "seats", "version"])
      .execute();
    const deleted = await kysely.deleteFrom(view).where("id", "=", "k2").returning("card").execute();
    return { inserted, updated, deleted };
  });
  expect(seen).toEqual({
    inserted: [
      { id: "k1", seats: 1, address: { city: "Ulm" }, card: null, version: 1n },
      { id: "k2", seats: 0, address: null, card: "c", version: 1n },
    ],
    updated: [
      { id: "k1", seats: 2, version: 2n },
      { id: "k2", seats: 1, version: 2n },
    ],
    deleted: [{ card: "c" }],
  });
  expect(await new LooseWriter(RowSchema, database.pool).get("k1")).toMatchObject({
    seats: 2,
    address: { city: "Ulm" },
  });
});

test("a login that only reads the table cannot write through the view, not even with a grant on it", async () => {
  await run(`create role reader login password ${quoteLiteral(testPassword)}`);
  await run("grant usage on schema test to reader");
  await run("grant select on test.rows, test.rows_view to reader");
  await run("insert into test.rows_view (id) values ('read')");
  const asReader = (sql: string) => database.query(sql, [], "reader");
  expect(await asReader("select seats from test.rows_view where id = 'read'")).toEqual([{ seats: 0 }]);
  const writes = [
    "insert into test.rows_view (id) values ('mine')",
    "update test.rows_view set seats = 1",
    "delete from test.rows_view",
  ];
  for (const write of writes) expect(await faultOf(asReader(write))).toMatchObject({ code: "42501" });
  await run("grant insert, update, delete on test.rows_view to reader");
  for (const write of writes) {
    expect(await faultOf(asReader(write))).toEqual({
      code: "42501",
      message: "permission denied for table rows",
    });
  }
  await run("revoke select on test.rows from reader");
  expect(await faultOf(asReader("select from test.rows_view"))).toMatchObject({ code: "42501" });
});
