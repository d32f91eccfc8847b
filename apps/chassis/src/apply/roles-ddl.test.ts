import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { createEventId } from "../outbox/event-id.ts";
import { deliveryTables } from "../relay/delivery/delivery-ddl.ts";
import { leaseTables } from "../relay/lease/lease-ddl.ts";
import { logTables } from "../relay/log/log-ddl.ts";
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
  "lock name": "select pg_advisory_xact_lock(1::bigint)",
  "lock name for a session": "select pg_advisory_lock(1::bigint)",
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
      "lock name",
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
    const log = await tryAll(pool, {
      log: "select from quartet.event_log",
      cursor: "delete from quartet.delivery_cursor",
      retention: "select quartet.prune_inbox('1 day', 1)",
    });
    expect(log).toEqual({ log: "42501", cursor: "42501", retention: "42501" });
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
    expect(await allowed(events, "relay")).toEqual(["select outbox", "insert outbox", "insert inbox"]);
    const tables = [...logTables, ...leaseTables, ...deliveryTables, "subscription", "dead_letter"];
    const changes = Object.fromEntries(
      tables.flatMap((table) => [
        [`select ${table}`, `select from quartet.${table}`],
        [`delete ${table}`, `delete from quartet.${table}`],
      ]),
    );
    expect(new Set(Object.values(await tryAll(events.openPool("relay"), changes)))).toEqual(new Set(["ok"]));
  });
});

test("the relay alone may call what keeps outbox, inbox and log, and owns no table of them", async () => {
  const calls = {
    heartbeat: "select pg_logical_emit_message(true, 'quartet.heartbeat', 'x')",
    months: "select quartet.create_outbox_months()",
    close: "select quartet.close_outbox_months('7 days')",
    drop: "select quartet.drop_outbox_month('0/0', '', 1)",
    inbox: "select quartet.prune_inbox('8 days', 100)",
    operations: "select quartet.prune_operations('8 days', 100)",
    sagas: "select quartet.prune_sagas('8 days', 100)",
  };
  const segments = {
    rotate: "select quartet.rotate_event_log(100, '1 day')",
    segment: "select quartet.drop_event_log_segment('7 days', '30 days')",
  };
  const all = { ...calls, ...segments };
  const outcomes = async (pool: Pool, tried: Readonly<Record<string, string>>) =>
    new Set(Object.values(await tryAll(pool, tried)));
  expect(await outcomes(main.openPool("relay"), calls)).toEqual(new Set(["ok"]));
  expect(await outcomes(events.openPool("relay"), all)).toEqual(new Set(["ok"]));
  for (const login of ["crud", "micro", "nano"])
    expect(await outcomes(main.openPool(login), calls)).toEqual(new Set(["42501"]));
  expect(await outcomes(events.openPool("micro"), all)).toEqual(new Set(["42501"]));
  const owned = { detach: "alter table quartet.event_log detach partition quartet.event_log_1" };
  expect(await tryAll(events.openPool("relay"), owned)).toEqual({ detach: "42501" });
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
