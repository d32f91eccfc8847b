import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase, testPassword } from "../../cluster/postgres/test-database.ts";
import { type RowChange, RowChangeSchema } from "../../gen/quartet/v1/row_change_pb.ts";
import { decodeStoredJson, encodeJson } from "../../schema/json/json.ts";
import { tableOf } from "../../schema/table/table.ts";
import { publishObjects } from "./publish-ddl.ts";
import { createKeptTables, keptRegistry, NoteSchema, PlainSchema, SeatSchema } from "./test-history.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createKeptTables(database, [NoteSchema, SeatSchema]);
  await database.query(`create role writer login password '${testPassword.replaceAll("'", "''")}'`);
  await database.query("grant usage on schema kept, quartet to writer");
  await database.query("grant select, insert, update, delete on kept.notes to writer");
});
afterAll(() => database[Symbol.asyncDispose]());

interface Published {
  readonly aggregatetype: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: Record<string, unknown>;
  readonly causationid: string | null;
  readonly correlationid: string | null;
}

/** What was published since the last call, in order. */
async function takeEvents(): Promise<readonly Published[]> {
  return database.query<Published>(
    `with taken as (delete from quartet.outbox returning *)
select aggregatetype, aggregateid, type, payload, causationid, correlationid from taken order by place`,
  );
}

const insertNote = (note: object) =>
  database.query("insert into kept.notes (pb) values ($1)", [JSON.stringify(note)]);

describe("a table that publishes", () => {
  test("publishes each change with the row before and after, as a RowChange in canonical ProtoJSON", async () => {
    const row = {
      ...{ id: "a", text: "", count: "9007199254740993", tags: [], extra: { n: null } },
      any: { "@type": "type.googleapis.com/kept.v1.Plain", id: "in", text: "it" },
    };
    const url = { "@type": "type.googleapis.com/kept.v1.Note" };
    await insertNote(row);
    await database.query(
      `update kept.notes set version = version + 1, pb = pb || '{"text": "x"}' where id = 'a'`,
    );
    await database.query("delete from kept.notes where id = 'a'");
    const events = await takeEvents();
    expect(events.map(({ payload, ...head }) => head)).toEqual(
      events.map(() => ({
        aggregatetype: "kept.notes",
        aggregateid: "a",
        type: "kept.v1.Note.changed",
        causationid: null,
        correlationid: null,
      })),
    );
    const rest = { table: "kept.notes", login: "postgres", principal: "", operationId: "" };
    const changeTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(events.map(({ payload }) => payload)).toEqual([
      { ...rest, changeTime, version: "1", after: { ...row, ...url } },
      { ...rest, changeTime, version: "2", before: { ...row, ...url }, after: { ...row, ...url, text: "x" } },
      { ...rest, changeTime, version: "2", before: { ...row, ...url, text: "x" } },
    ]);
    for (const { payload } of events) {
      const message: RowChange = decodeStoredJson(RowChangeSchema, payload as never, keptRegistry);
      const again = encodeJson(RowChangeSchema, message, keptRegistry);
      expect(again).toEqual({ ...payload, changeTime: expect.any(String) });
    }
  });

  test("publishes for a writer without any right on the outbox, and says on whose behalf", async () => {
    const client = await database.connect("writer");
    await client.query("begin");
    await client.query("set local quartet.principal = 'ann'");
    await client.query("set local quartet.operation_id = 'op-1'");
    await client.query(`insert into kept.notes (pb) values ('{"id": "w"}')`);
    await client.query("commit");
    expect(await takeEvents()).toMatchObject([
      {
        ...{ causationid: "op-1", correlationid: "op-1" },
        payload: { login: "writer", principal: "ann", operationId: "op-1" },
      },
    ]);
    await expect(
      client.query("select quartet.publish_change('kept.notes', 'kept.v1.Note', 'w', '{}', '{}', 1)"),
    ).rejects.toThrow("permission denied for table outbox");
  });

  test("publishes nothing of what rolled back", async () => {
    const client = await database.connect();
    await client.query("begin");
    await client.query(`insert into kept.notes (pb) values ('{"id": "r"}')`);
    await client.query("rollback");
    expect(await takeEvents()).toEqual([]);
  });

  test("publishes a change of the key as a deletion and an insertion, each under its key", async () => {
    await insertNote({ id: "old" });
    await takeEvents();
    await database.query(`update kept.notes set pb = pb || '{"id": "new"}' where id = 'old'`);
    expect(
      (await takeEvents()).map(({ aggregateid, payload }) => [aggregateid, Object.keys(payload)]),
    ).toEqual([
      ["old", expect.not.arrayContaining(["after"])],
      ["new", expect.not.arrayContaining(["before"])],
    ]);
  });

  test("joins a composite key, so that two keys never have one text", async () => {
    await database.query(
      `insert into kept.seats (pb) values
('{"login": "a/b%", "place": "18446744073709551615", "vip": true, "status": "STATUS_OPEN"}'), ('{}')`,
    );
    expect((await takeEvents()).map(({ aggregateid }) => aggregateid)).toEqual([
      "a%2Fb%25/18446744073709551615/true/STATUS_OPEN",
      "/0/false/STATUS_UNSPECIFIED",
    ]);
  });

  test("takes keys longer than the outbox' column, and tells them apart", async () => {
    for (const end of ["x", "y"]) await insertNote({ id: `${"é".repeat(400)}${end}` });
    await insertNote({ id: "z".repeat(255) });
    const [first, second, third] = (await takeEvents()).map(({ aggregateid }) => aggregateid);
    expect(first).toMatch(/^é{190}#[0-9a-f]{64}$/);
    expect(second).not.toBe(first);
    expect(third).toBe("z".repeat(255));
  });

  test("is not truncated", async () => {
    await expect(database.query("truncate kept.notes")).rejects.toThrow(
      /truncate of kept\.notes is refused: its changes are /,
    );
  });
});

test("publishObjects of a table that does not publish is empty", () => {
  expect(publishObjects(tableOf(PlainSchema))).toEqual([]);
});
