import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { createEventId } from "../outbox/event-id.ts";
import { applySchema } from "./apply-schema.ts";
import { createLoginSql } from "./roles-ddl.ts";
import { createTestLogin, testDomain } from "./test-domain.ts";

let server: TestServer;
let main: TestDatabase;
let events: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
  [main, events] = [await server.openDatabase(), await server.openDatabase()];
  await applySchema(testDomain, { databaseUrl: main.url(), eventsDatabaseUrl: events.url() });
  for (const name of ["crud", "micro", "nano", "relay"] as const)
    await createTestLogin(main, `quartet_${name}`, name);
  await main.query(`insert into test.counters (pb) values ('{"id": "1"}')`);
});
afterAll(() => server[Symbol.asyncDispose]());

const outboxRow = () =>
  `insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values ('${createEventId()}', 'a', 'b', 'c', '{}')`;
const inboxRow = () => `insert into quartet.inbox (consumer, event_id) values ('c', '${createEventId()}')`;

/** What each statement does, tried in a transaction that is rolled back: "ok" or its SQLSTATE. */
async function tryAll(
  pool: Pool,
  statements: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const results: Record<string, string> = {};
  for (const [name, statement] of Object.entries(statements)) {
    await using stack = new AsyncDisposableStack();
    const client = await pool.connect();
    stack.defer(() => client.release());
    await client.query("begin");
    results[name] = await client.query(statement).then(
      () => "ok",
      (error: { code?: string }) => error.code ?? String(error),
    );
    await client.query("rollback");
  }
  return results;
}

const statements = () => ({
  "select table": "select pb, value from test.counters",
  "insert table": `insert into test.counters (pb) values ('{"id": "2"}')`,
  "update table": `update test.counters set pb = pb, version = version + 1`,
  "delete table": "delete from test.counters",
  "truncate table": "truncate test.counters",
  "lock row": "select from test.counters for update",
  "select operation": "select from quartet.operation",
  "insert operation": `insert into quartet.operation (pb) values ('{"operationId": "x"}')`,
  "select outbox": "select from quartet.outbox",
  "insert outbox": outboxRow(),
  "update outbox": "update quartet.outbox set type = type",
  "delete outbox": "delete from quartet.outbox",
  "insert partition": outboxRow().replace("quartet.outbox", "quartet.outbox_default"),
  "select inbox": "select from quartet.inbox",
  "insert inbox": inboxRow(),
  "delete inbox": "delete from quartet.inbox",
  "temporary table": "create temporary table t (a int)",
  "new table": "create table test.t (a int)",
  "new table in public": "create table public.t (a int)",
  "new schema": "create schema s",
  "alter table": "alter table test.counters add column x int",
});

/** The names of what was not refused. */
async function allowed(database: TestDatabase, login: string): Promise<string[]> {
  const results = await tryAll(database.openPool(login), statements());
  const others = Object.entries(results).filter(
    ([, result]) => !["ok", "42501", "42P01", "3F000"].includes(result),
  );
  expect(others).toEqual([]);
  return Object.keys(results).filter((name) => results[name] === "ok");
}

describe("a login of", () => {
  test("quartet_crud reads and writes tables, and appends to outbox and inbox without reading them", async () => {
    expect(await allowed(main, "crud")).toEqual([
      "select table",
      "insert table",
      "update table",
      "delete table",
      "lock row",
      "select operation",
      "insert operation",
      "insert outbox",
      "insert inbox",
    ]);
  });

  test("quartet_crud may nothing in the events database", async () => {
    expect(await allowed(events, "crud")).toEqual([]);
  });

  test("quartet_micro only selects in the main database", async () => {
    expect(await allowed(main, "micro")).toEqual(["select table", "select operation"]);
  });

  test("quartet_micro only inserts into outbox and inbox of the events database", async () => {
    expect(await allowed(events, "micro")).toEqual(["insert outbox", "insert inbox"]);
    const pool = events.openPool("micro");
    const id = createEventId();
    const event = { id, aggregateType: "a", aggregateId: "b", type: "c", payload: "{}" };
    const none = { causationId: undefined, correlationId: undefined, traceparent: undefined };
    expect(await appendEvents(pool, [{ ...event, ...none }])).toBe(1);
    expect(await claimEvent(pool, "consumer", id)).toBe(true);
    const log = await tryAll(pool, { log: "select from quartet.log", cursor: "delete from quartet.cursor" });
    expect(log).toEqual({ log: "42501", cursor: "42501" });
  });

  test("quartet_nano only selects, and nothing in the events database", async () => {
    expect(await allowed(main, "nano")).toEqual(["select table", "select operation"]);
    expect(await allowed(events, "nano")).toEqual([]);
  });

  test("quartet_relay reads the main outbox, may replicate, and touches no table", async () => {
    expect(await allowed(main, "relay")).toEqual(["select outbox"]);
    const [role] = await main.query("select rolreplication, rolsuper from pg_roles where rolname = 'relay'");
    expect(role).toEqual({ rolreplication: true, rolsuper: false });
  });

  test("quartet_relay keeps the log in the events database", async () => {
    expect(await allowed(events, "relay")).toEqual(["select outbox", "insert outbox"]);
    const changes = Object.fromEntries(
      ["log", "log_head", "capture", "cursor", "parked", "subscription", "dead_letter"].flatMap((table) => [
        [`select ${table}`, `select from quartet.${table}`],
        [`delete ${table}`, `delete from quartet.${table}`],
      ]),
    );
    expect(new Set(Object.values(await tryAll(events.openPool("relay"), changes)))).toEqual(new Set(["ok"]));
  });
});

describe("createLoginSql", () => {
  test("run again changes the class, and leaves nothing of the first", async () => {
    await createTestLogin(main, "quartet_crud", "changing");
    await createTestLogin(main, "quartet_nano", "changing");
    expect(await allowed(main, "changing")).toEqual(["select table", "select operation"]);
  });

  test("takes any name and password", async () => {
    const login = await createTestLogin(main, "quartet_nano", `odd "$$' name`);
    expect(await main.query("select current_user::text as me", [], login)).toEqual([{ me: login }]);
  });

  test("refuses a name that Postgres would cut", () => {
    expect(() => createLoginSql("x".repeat(64), "p", "quartet_nano")).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });
});
