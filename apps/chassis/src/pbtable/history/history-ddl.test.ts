import { createFileRegistry } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase, testPassword } from "../../cluster/postgres/test-database.ts";
import { tableOf } from "../../schema/table/table.ts";
import { buildTestFile, testImports } from "../../schema/test-file.ts";
import { viewObjects } from "../view/view-ddl.ts";
import { historyObjects } from "./history-ddl.ts";
import { historyNames } from "./history-names.ts";
import { createKeptTables, NoteSchema, PlainSchema, SeatSchema } from "./test-history.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createKeptTables(database, [NoteSchema, SeatSchema]);
  await database.query(`create role writer login password '${testPassword.replaceAll("'", "''")}'`);
  await database.query("grant usage on schema kept to writer");
  await database.query("grant select, insert, update, delete on kept.notes to writer");
  await database.query("grant select on kept.notes_history to writer");
});
afterAll(() => database[Symbol.asyncDispose]());

const noteInsert = (id: string, rest: object = {}) => [JSON.stringify({ id, ...rest })];

async function changesOf(id: string): Promise<Record<string, unknown>[]> {
  return database.query(
    `select version::int, version_before::int, operation, login, principal, operation_id, patch, undo
from kept.notes_history where id = $1 order by place`,
    [id],
  );
}

async function messageOf(change: Promise<unknown>): Promise<string> {
  return change.then(
    () => "no error",
    (error: Error) => error.message,
  );
}

describe("a table with history", () => {
  test("keeps what each change set and what undoes it, by top-level keys, JSON nulls included", async () => {
    await database.query(
      "insert into kept.notes (pb) values ($1)",
      noteInsert("a", { text: "x", extra: { n: null } }),
    );
    await database.query(
      `update kept.notes set version = version + 1, pb = (pb - 'text') || '{"extra": {"n": 1}, "count": "7", "odd": null}'
where id = 'a'`,
    );
    await database.query("update kept.notes set version = version + 1 where id = 'a'");
    await database.query("delete from kept.notes where id = 'a'");
    const attribution = { login: "postgres", principal: null, operation_id: null };
    const last = { id: "a", extra: { n: 1 }, count: "7", odd: null };
    expect(await changesOf("a")).toEqual([
      {
        ...attribution,
        ...{ version: 1, version_before: null, operation: "insert" },
        patch: { set: { id: "a", text: "x", extra: { n: null } }, unset: [] },
        undo: null,
      },
      {
        ...attribution,
        ...{ version: 2, version_before: 1, operation: "update" },
        patch: { set: { extra: { n: 1 }, count: "7", odd: null }, unset: ["text"] },
        undo: { set: { text: "x", extra: { n: null } }, unset: ["odd", "count"] },
      },
      {
        ...attribution,
        ...{ version: 3, version_before: 2, operation: "update" },
        patch: { set: {}, unset: [] },
        undo: { set: {}, unset: [] },
      },
      {
        ...attribution,
        ...{ version: 3, version_before: 3, operation: "delete" },
        patch: null,
        undo: { set: last, unset: [] },
      },
    ]);
  });

  test("says which login, which principal and which operation", async () => {
    const client = await database.connect("writer");
    await client.query("begin");
    await client.query("set local quartet.principal = 'ann'");
    await client.query("set local quartet.operation_id = 'op-1'");
    await client.query("insert into kept.notes (pb) values ($1)", noteInsert("who"));
    await client.query("commit");
    await client.query("delete from kept.notes where id = 'who'");
    expect(await changesOf("who")).toMatchObject([
      { login: "writer", principal: "ann", operation_id: "op-1" },
      { login: "writer", principal: null, operation_id: null },
    ]);
  });

  test("keeps every row of a statement, and none of a transaction that rolled back", async () => {
    const client = await database.connect();
    await client.query("begin");
    await client.query("insert into kept.notes (pb) values ($1)", noteInsert("undone"));
    await client.query("rollback");
    await database.query(
      "insert into kept.notes (pb) select jsonb_build_object('id', 'many-' || n) from generate_series(1, 20) n",
    );
    await database.query(
      `insert into kept.notes (pb) values ('{"id": "many-1"}'), ('{"id": "many-21"}')
on conflict (id) do update set version = notes.version + 1, pb = notes.pb || '{"text": "again"}'`,
    );
    const kept = await database.query(
      "select operation, count(*)::int from kept.notes_history where id like 'many-%' group by 1 order by 1",
    );
    expect(kept).toEqual([
      { operation: "insert", count: 21 },
      { operation: "update", count: 1 },
    ]);
    expect(await changesOf("undone")).toEqual([]);
  });

  test("keeps a change of the key as a deletion and an insertion", async () => {
    await database.query("insert into kept.notes (pb) values ($1)", noteInsert("old"));
    await database.query(
      `update kept.notes set version = version + 1, pb = pb || '{"id": "new"}' where id = 'old'`,
    );
    expect(await changesOf("old")).toMatchObject([
      { operation: "insert" },
      { operation: "delete", version: 1 },
    ]);
    expect(await changesOf("new")).toMatchObject([{ operation: "insert", version: 2, version_before: null }]);
  });

  test("names its columns apart from key columns of the same name", async () => {
    await database.query(
      `insert into kept.seats (pb) values
('{"login": "ann", "place": "18446744073709551615", "vip": true, "status": "STATUS_OPEN"}')`,
    );
    expect(
      await database.query("select login, place, vip, status, login_, place_::int from kept.seats_history"),
    ).toEqual([
      {
        login: "ann",
        place: "18446744073709551615",
        vip: true,
        status: "STATUS_OPEN",
        login_: "postgres",
        place_: 1,
      },
    ]);
  });

  test("keeps what is written through the relational view", async () => {
    for (const { create } of viewObjects(tableOf(NoteSchema), [])) await database.query(create);
    await database.query("insert into kept.notes_view (id, text) values ('v', 'one'), ('v2', 'one')");
    await database.query("update kept.notes_view set text = 'two' where id = 'v'");
    await database.query("delete from kept.notes_view where id = 'v'");
    expect(await changesOf("v")).toMatchObject([
      { operation: "insert", version: 1, patch: { set: { text: "one" } } },
      { operation: "update", version: 2, patch: { set: { text: "two" } }, undo: { set: { text: "one" } } },
      { operation: "delete", version: 2, undo: { set: { text: "two" } } },
    ]);
  });

  test("is not truncated", async () => {
    expect(await messageOf(database.query("truncate kept.notes"))).toBe(
      "truncate of kept.notes is refused: its changes are kept",
    );
  });

  test("lets no writer touch its history, whatever tables the writer has of its own", async () => {
    const client = await database.connect("writer");
    expect(await messageOf(client.query("delete from kept.notes_history"))).toContain("permission denied");
    await client.query("create temp table notes (id text, pb jsonb, version bigint)");
    await client.query(
      "create trigger t after insert on notes for each row execute function kept.notes_history_change()",
    );
    expect(await messageOf(client.query("insert into notes values ('a', '{}', 1)"))).toMatch(
      /this function is of kept\.notes, not of pg_temp/,
    );
  });

  test("does not let a temporary table or function of a writer in its way", async () => {
    const client = await database.connect("writer");
    await client.query("create temp table notes_history (id text)");
    await client.query("set search_path = pg_temp, kept");
    await client.query("insert into kept.notes (pb) values ($1)", noteInsert("path"));
    expect(await changesOf("path")).toHaveLength(1);
  });
});

describe("historyObjects", () => {
  test("of a table without history is empty", () => {
    expect(historyObjects(tableOf(PlainSchema), new Date())).toEqual([]);
  });

  test("can be run again, and run later makes the months that came", async () => {
    const count = async () =>
      database.query(
        "select count(*)::int from pg_inherits where inhparent = 'kept.seats_history'::regclass",
      );
    expect(await count()).toEqual([{ count: 15 }]);
    await createKeptTables(database, [SeatSchema]);
    expect(await count()).toEqual([{ count: 15 }]);
    const later = new Date();
    later.setUTCMonth(later.getUTCMonth() + 2, 1);
    await createKeptTables(database, [SeatSchema], later);
    expect(await count()).toEqual([{ count: 17 }]);
  });

  test("makes no month that its retention would drop", () => {
    const names = historyObjects(tableOf(NoteSchema), new Date("2026-05-20T00:00:00Z")).map(
      ({ identity }) => identity,
    );
    expect(names).not.toContain('"kept"."notes_history_2026_04"');
    expect(names).toContain('"kept"."notes_history_2026_05"');
  });

  test("names each object as Postgres would look it up", async () => {
    const lookup = {
      table: "to_regclass",
      function: "to_regprocedure",
      view: "to_regclass",
      trigger: undefined,
    };
    for (const { kind, identity } of historyObjects(tableOf(NoteSchema), new Date())) {
      if (lookup[kind] === undefined) continue;
      const [row] = await database.query<{ found: boolean }>(
        `select ${lookup[kind]}($1) is not null as found`,
        [identity],
      );
      expect(`${identity} ${row?.found}`).toBe(`${identity} true`);
    }
  });
});

test("Any name of a table does for what keeps and publishes its changes", async () => {
  const name = `a$$b$function$c$quartet$d'e"f%`;
  const file = buildTestFile("odd/v1/odd", {
    enums: {},
    messages: {
      Odd: {
        table: { name: `kept.${name}`, key: ["id"], history: true, publish: true },
        fields: { id: "string" },
      },
    },
    methods: {},
  });
  const message = createFileRegistry(file, (name) =>
    testImports.find((known) => known.proto.name === name),
  ).getMessage("odd.v1.Odd");
  if (message === undefined) throw new Error("the file has no Odd");
  await createKeptTables(database, [message]);
  const { sqlName } = tableOf(message);
  await database.query(`insert into ${sqlName} (pb) values ('{"id": "1"}')`);
  const { asOf } = historyNames(tableOf(message));
  expect(await database.query(`select id from ${asOf}(now() + interval '1 hour')`)).toEqual([{ id: "1" }]);
  await database.query("insert into quartet.history_horizon values ($1, 'infinity')", [`kept.${name}`]);
  await expect(database.query(`select id from ${asOf}(now())`)).rejects.toThrow(name);
});
