import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import type { Domain } from "../service/domain.ts";
import { applySchema } from "./apply-schema.ts";
import { lonelyDomain, testDomain } from "./test-domain.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function apply(domain: Domain, main: TestDatabase, events: TestDatabase = main): Promise<string[]> {
  const steps: string[] = [];
  await applySchema(
    domain,
    { databaseUrl: main.url(), eventsDatabaseUrl: events.url() },
    { onStep: (name, step) => steps.push(`${name}: ${step.what}`) },
  );
  return steps;
}

/** All relations, columns, indexes, rights and publications of Quartet in a database, as one text. */
async function snapshot(database: TestDatabase): Promise<string> {
  const rows = await database.query(
    `select n.nspname, c.relname, c.relkind, c.relfilenode, c.relacl::text, i.indisvalid,
  array(select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 order by a.attnum) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid
where n.nspname in ('quartet', 'test', 'lonely') order by 1, 2`,
  );
  const more = await database.query(
    "select pubname from pg_publication union all select nspname from pg_namespace",
  );
  return JSON.stringify([rows, more], null, 1);
}

async function columnNames(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select attname::text as name from pg_attribute
where attrelid = 'lonely.things'::regclass and attnum > 0 order by attnum`,
  );
  return rows.map((row) => row.name);
}

async function fileOf(database: TestDatabase): Promise<unknown> {
  return (await database.query("select pg_relation_filenode('lonely.things') as file"))[0];
}

describe("applySchema", () => {
  test("makes two empty databases whole, and run again changes nothing", async () => {
    const [main, events] = [await server.openDatabase(), await server.openDatabase()];
    const steps = await apply(testDomain, main, events);
    expect(steps).toContain("main: table test.everything");
    expect(steps).toContain("main: table quartet.operation");
    expect(steps).toContain("events: table quartet.event_log");
    const before = [await snapshot(main), await snapshot(events)];
    const again = await apply(testDomain, main, events);
    expect(again).toEqual([]);
    expect([await snapshot(main), await snapshot(events)]).toEqual(before);
    expect(before[0]).toContain("pairs_label_idx");
    expect(before[0]).not.toContain("event_log");
    expect(before[1]).not.toContain("everything");
  });

  test("makes one database main and events at once", async () => {
    const both = await server.openDatabase();
    await apply(testDomain, both);
    await apply(testDomain, both);
    const found = await snapshot(both);
    for (const name of ["everything", "operation", "outbox", "inbox", "event_log_head", "subscription"]) {
      expect(found).toContain(`"relname": "${name}"`);
    }
  });

  test("adds a column for a new field without rewriting the table", async () => {
    const database = await server.openDatabase();
    await apply(lonelyDomain({ a: "string" }), database);
    await database.query(`insert into lonely.things (pb) values ('{"id": "old", "b": "7", "a": "x"}')`);
    const before = await fileOf(database);
    await apply(lonelyDomain({ a: "string", b: "int64", at: ".google.protobuf.Timestamp" }), database);
    expect(await fileOf(database)).toEqual(before);
    expect(await columnNames(database)).toEqual(["pb", "id", "a", "version", "b", "at"]);
    const [row] = await database.query("select a, b::int, at from lonely.things");
    expect(row).toEqual({ a: "x", b: 7, at: null });
  });

  test("by a build that knows less takes nothing away", async () => {
    const database = await server.openDatabase();
    await apply(lonelyDomain({ a: "string", b: "string" }, [{ field: ["b"] }]), database);
    const before = await snapshot(database);
    await apply(lonelyDomain({ a: "string" }), database);
    expect(await snapshot(database)).toBe(before);
  });

  test("twice at once succeeds twice", async () => {
    const [main, events] = [await server.openDatabase(), await server.openDatabase()];
    await Promise.all([
      apply(testDomain, main, events),
      apply(testDomain, main, events),
      apply(testDomain, main, events),
    ]);
    const before = await snapshot(main);
    await apply(testDomain, main, events);
    expect(await snapshot(main)).toBe(before);
  });

  test("of one database by two URLs is of one database", async () => {
    const database = await server.openDatabase();
    await apply(testDomain, database);
    const other = `${database.url()}?application_name=other`;
    const plans = await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: other });
    expect(plans.map(({ database: name, steps }) => [name, steps])).toEqual([["main", []]]);
  });

  test("of a dedicated events database takes from micro what it had where both were one", async () => {
    const [main, events] = [await server.openDatabase(), await server.openDatabase()];
    const mayPublish = async () => {
      const [row] = await main.query<{ may: boolean }>(
        "select has_table_privilege('quartet_micro', 'quartet.outbox', 'insert') as may",
      );
      return row?.may;
    };
    await apply(testDomain, main);
    expect(await mayPublish()).toBe(true);
    await apply(testDomain, main, events);
    expect(await mayPublish()).toBe(false);
  });

  test("waits for whoever reads the table, and queues nobody behind it for long", async () => {
    const database = await server.openDatabase();
    await apply(lonelyDomain({}), database);
    const reader = await database.connect();
    await reader.query("begin");
    await reader.query("select from lonely.things");
    const applying = apply(lonelyDomain({ a: "string" }), database);
    const blocked = async () =>
      (
        await database.query(
          "select from pg_stat_activity where application_name = 'quartet apply' and wait_event_type = 'Lock'",
        )
      ).length > 0
        ? true
        : undefined;
    expect(await pollUntil(blocked, { timeoutMs: 5_000, intervalMs: 5 })).toBe(true);
    const other = await database.connect();
    await other.query("set statement_timeout = '2s'");
    expect((await other.query("select from lonely.things")).rows).toEqual([]);
    await reader.query("commit");
    await applying;
    expect(await columnNames(database)).toContain("a");
  });

  test("that the server refuses names the step and its statement", async () => {
    const database = await server.openDatabase();
    await database.query("create schema lonely");
    await database.query("create table lonely.things_history (other int)");
    await database.query("create view lonely.things_view as select 1 as other");
    await expect(apply(lonelyDomain({ a: "string" }), database)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(
        /view lonely\.things_view[\s\S]*create or replace view "lonely"."things_view"/,
      ),
    });
  });

  test("of a table that is no pbtable does nothing, and says how to set it aside", async () => {
    const database = await server.openDatabase();
    await database.query("create schema lonely");
    await database.query("create table lonely.things (other int)");
    const before = await snapshot(database);
    await expect(apply(lonelyDomain({ a: "string" }), database)).rejects.toMatchObject({
      code: "failed_precondition",
      fix: 'alter table "lonely"."things" rename to "things_set_aside";',
    });
    expect(await snapshot(database)).toBe(before);
    await database.query('alter table "lonely"."things" rename to "things_set_aside"');
    await apply(lonelyDomain({ a: "string" }), database);
    expect(await columnNames(database)).toEqual(["pb", "id", "a", "version"]);
  });

  test("of a server that is away is unavailable", async () => {
    const nowhere = "postgres://x@127.0.0.1:1/x";
    await expect(
      applySchema(testDomain, { databaseUrl: nowhere, eventsDatabaseUrl: nowhere }),
    ).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("applySchema of an index", () => {
  const valid = async (database: TestDatabase, name = "things_a_idx") =>
    database.query("select indisvalid from pg_index where indexrelid = to_regclass($1)", [`lonely.${name}`]);

  test("whose build failed builds it again once it can be", async () => {
    const database = await server.openDatabase();
    await apply(lonelyDomain({ a: "string" }), database);
    await database.query(
      `insert into lonely.things (pb) values ('{"id": "1", "a": "x"}'), ('{"id": "2", "a": "x"}')`,
    );
    const unique = lonelyDomain({ a: "string" }, [{ field: ["a"], unique: true }]);
    await expect(apply(unique, database)).rejects.toThrow(/index things_a_key/);
    await expect(apply(unique, database)).rejects.toThrow(/index things_a_key/);
    await database.query("delete from lonely.things where id = '2'");
    await apply(unique, database);
    expect(await valid(database, "things_a_key")).toEqual([{ indisvalid: true }]);
  });

  test("waits for an old transaction and ends with a valid one", async () => {
    const database = await server.openDatabase();
    await apply(lonelyDomain({ a: "string" }), database);
    const old = await database.connect();
    await old.query("begin");
    await old.query(`insert into lonely.things (pb) values ('{"id": "3", "a": "x"}')`);
    const applying = apply(lonelyDomain({ a: "string" }, [{ field: ["a"] }]), database);
    const building = async () => ((await valid(database)).length > 0 ? true : undefined);
    expect(await pollUntil(building, { timeoutMs: 5_000, intervalMs: 5 })).toBe(true);
    await old.query("select pg_sleep(0.4)"); // longer than the lock timeout of other steps
    await old.query("commit");
    await applying;
    expect(await valid(database)).toEqual([{ indisvalid: true }]);
  });
});
