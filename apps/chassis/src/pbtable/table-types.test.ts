import type { Insertable, Kysely, Selectable, Updateable } from "kysely";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { tableOf } from "../schema/table/table.ts";
import { EverythingSchema } from "../schema/test-schema.ts";
import { createReader } from "./kysely.ts";
import type { HistoryRow, PbRow, ViewRow } from "./table-types.ts";
import { createTables } from "./test-table.ts";
import { viewObjects } from "./view/view-ddl.ts";

/** As generated code declares them; a part of the columns. */
interface TestTables {
  "test.everything": PbRow<{ id: string; f_int64: bigint; lines: unknown; line_sku: string | null }>;
  "test.everything_view": ViewRow<{
    key: { id: string };
    plain: { f_int64: bigint; o_string: string | null; w_timestamp: Date | null; card: string | null };
    json: { tags: unknown };
    path: { line_sku: string | null };
  }>;
  "test.everything_history": HistoryRow<{ id: string; place: string }>;
}

type View = TestTables["test.everything_view"];
type History = TestTables["test.everything_history"];

describe("by type,", () => {
  test("a table takes JSON and version, and no generated column", () => {
    expectTypeOf<keyof Insertable<TestTables["test.everything"]>>().toEqualTypeOf<"pb" | "version">();
    expectTypeOf<keyof Updateable<TestTables["test.everything"]>>().toEqualTypeOf<"pb" | "version">();
  });

  test("a view is read whole; what has no presence is never null", () => {
    type Row = Selectable<View>;
    expectTypeOf<keyof Row>().toEqualTypeOf<keyof View>();
    expectTypeOf<Row["id"]>().toEqualTypeOf<string>();
    expectTypeOf<Row["f_int64"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Row["card"]>().toEqualTypeOf<string | null>();
    expectTypeOf<Row["tags"]>().toEqualTypeOf<unknown>();
    expectTypeOf<Row["line_sku"]>().toEqualTypeOf<string | null>();
    expectTypeOf<Row["version"]>().toEqualTypeOf<bigint>();
  });

  test("an insert into a view needs the key alone, and takes null for a default", () => {
    expectTypeOf<{ id: string }>().toExtend<Insertable<View>>();
    expectTypeOf<{ id: string; f_int64: null; tags: "[]"; w_timestamp: Date }>().toExtend<Insertable<View>>();
    expectTypeOf<{ f_int64: bigint }>().not.toExtend<Insertable<View>>();
    expectTypeOf<{ id: string; f_int64: string }>().not.toExtend<Insertable<View>>();
    expectTypeOf<{ id: string; tags: string[] }>().not.toExtend<Insertable<View>>();
    expectTypeOf<keyof Insertable<View>>().toEqualTypeOf<
      "id" | "f_int64" | "o_string" | "w_timestamp" | "card" | "tags"
    >();
  });

  test("an update of a view takes all but key, version and path columns", () => {
    expectTypeOf<keyof Updateable<View>>().toEqualTypeOf<
      "f_int64" | "o_string" | "w_timestamp" | "card" | "tags"
    >();
    expectTypeOf<{ f_int64: null; tags: string; card: null }>().toExtend<Updateable<View>>();
  });

  test("a history is read alone, and gives way to key columns of its names", () => {
    expectTypeOf<keyof Insertable<History>>().toBeNever();
    expectTypeOf<keyof Updateable<History>>().toBeNever();
    expectTypeOf<Selectable<History>["place"]>().toEqualTypeOf<string>();
    expectTypeOf<Selectable<History>["place_"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Selectable<History>["operation"]>().toEqualTypeOf<"insert" | "update" | "delete">();
    expectTypeOf<Selectable<History>["version"]>().toEqualTypeOf<bigint>();
  });

  test("Kysely refuses to write what a view only shows", () => {
    type Writer = Kysely<TestTables>;
    const insert = (db: Writer) => db.insertInto("test.everything_view");
    const update = (db: Writer) => db.updateTable("test.everything_view");
    void [
      // @ts-expect-error version is the platform's
      (db: Writer) => insert(db).values({ id: "a", version: 1n }),
      // @ts-expect-error a path column is a part of another
      (db: Writer) => insert(db).values({ id: "a", line_sku: "s" }),
      // @ts-expect-error a key never changes
      (db: Writer) => update(db).set({ id: "b" }),
      // @ts-expect-error version is the platform's
      (db: Writer) => update(db).set({ version: 2n }),
    ];
  });
});

describe("in the database", () => {
  let database: TestDatabase;
  let kysely: Kysely<TestTables>;

  beforeAll(async () => {
    database = await openTestDatabase();
    await createTables(database, [EverythingSchema]);
    for (const { create } of viewObjects(tableOf(EverythingSchema), [])) await database.query(create);
    // The reader is a whole Kysely with a narrower type; tests add no tables to the global type.
    kysely = createReader(database.pool) as unknown as Kysely<TestTables>;
  });
  afterAll(() => database[Symbol.asyncDispose]());

  test("a view takes and gives what the types say", async () => {
    const view = "test.everything_view";
    const placed = new Date("2026-01-02T03:04:05.006Z");
    const inserted = await kysely
      .insertInto(view)
      .values({ id: "a", f_int64: 5n, w_timestamp: placed, tags: '["x"]', card: null })
      .returning(["id", "f_int64", "o_string", "w_timestamp", "tags", "version"])
      .execute();
    const row = { id: "a", f_int64: 5n, o_string: null, w_timestamp: placed, tags: ["x"], version: 1n };
    expect(inserted).toEqual([row]);
    const updated = await kysely
      .updateTable(view)
      .set({ f_int64: null, o_string: "text" })
      .where("id", "=", "a")
      .returning(["f_int64", "o_string", "version"])
      .executeTakeFirst();
    expect(updated).toEqual({ f_int64: 0n, o_string: "text", version: 2n });
  });
});
