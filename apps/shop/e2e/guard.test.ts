import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "./open-cluster.ts";
import { openProcess, type StartedProcess } from "./open-process.ts";
import { openTrial, trialFolder } from "./open-trial.ts";
import { send } from "./send-request.ts";
import { offerProduct } from "./shop-client.ts";

let cluster: Cluster;
let primary: pg.Pool;
let micro: StartedProcess;
let nano: StartedProcess;
let places: Record<string, string>;

beforeAll(async () => {
  cluster = await openTrial();
  primary = cluster.database("primary");
  const secret = { QUARTET_SECRET: cluster.secret };
  [micro, nano] = await Promise.all([
    openProcess(
      {
        ...secret,
        DATABASE_URL: cluster.loginUrl("micro", "primary"),
        EVENTS_DATABASE_URL: cluster.loginUrl("micro-events"),
      },
      trialFolder,
    ),
    openProcess({ ...secret, DATABASE_URL: cluster.loginUrl("nano", "primary") }, trialFolder),
  ]);
  places = {
    "micro on the replica": cluster.url("micro"),
    "micro on the primary": micro.url,
    "nano on the replica": cluster.url("nano"),
    "nano on the primary": nano.url,
  };
  await offerProduct(cluster.door);
});

afterAll(async () => {
  await Promise.all([micro?.[Symbol.asyncDispose](), nano?.[Symbol.asyncDispose]()]);
  await cluster?.[Symbol.asyncDispose]();
});

/** Everything of the main database that a handler could have changed. */
async function readWorld(): Promise<unknown> {
  const rows = await primary.query(`select
    (select json_agg(pb order by sku) from shop.products) as products,
    (select json_agg(pb order by sku) from shop.stock) as stock,
    (select count(*) from shop.orders) as orders, (select count(*) from shop.confirmations) as confirmations,
    (select count(*) from quartet.operation) as operations, (select count(*) from quartet.outbox) as outbox,
    (select count(*) from quartet.inbox) as inbox, (select count(*) from pg_class) as relations,
    (select count(*) from pg_largeobject_metadata) as large_objects, (select count(*) from pg_proc) as functions,
    (select json_agg(rolname order by rolname) from pg_roles) as roles`);
  return rows.rows[0];
}

/** What a handler runs through `ctx.db`, instead of asking for a write. */
function runIn(place: string, sql: string, customer = "attempts") {
  const url = places[place];
  return place.startsWith("micro")
    ? send("POST", `${url}/shop.v1.Orders/PlaceOrder`, { json: { customer, sku: sql } })
    : send("POST", `${url}/shop.v1.Orders/GetOrder`, { json: { orderId: sql } });
}

const row = `'{"orderId":"rogue"}'`;

const attempts: readonly (readonly [what: string, sql: string])[] = [
  ["INSERT", `insert into shop.orders (pb) values (${row})`],
  ["UPDATE", 'update shop.stock set pb = pb || \'{"available":"1000000"}\''],
  ["DELETE", "delete from shop.products"],
  ["MERGE", `merge into shop.stock s using (select 1) x on true when matched then delete`],
  ["TRUNCATE", "truncate shop.products"],
  ["COPY FROM a program", "copy shop.orders (pb) from program 'echo {}'"],
  ["COPY TO a file", "copy shop.orders to '/tmp/quartet-rogue'"],
  ["CREATE TEMP TABLE", "create temp table rogue (a int)"],
  ["CREATE TABLE", "create table shop.rogue (a int)"],
  ["CREATE TABLE in public", "create table public.rogue (a int)"],
  ["CREATE SCHEMA", "create schema rogue"],
  ["SELECT INTO", "select 1 as a into temp rogue"],
  [
    "a CTE that inserts",
    `with w as (insert into shop.orders (pb) values (${row}) returning 1) select * from w`,
  ],
  ["a DO block", `do $$ begin insert into shop.orders (pb) values (${row}); end $$`],
  ["a function of its own", "create function public.rogue() returns int language sql as 'select 1'"],
  ["EXPLAIN ANALYZE", "explain analyze delete from shop.products"],
  [
    "the outbox of the main database",
    "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values (uuidv7(), 'a', 'a', 'a', '{}')",
  ],
  ["the inbox of the main database", "insert into quartet.inbox (consumer, event_id) values ('a', 'a')"],
  ["an operation", `insert into quartet.operation (pb) values ('{"operationId":"rogue"}')`],
  ["INSERT through the view", "insert into shop.orders_view (order_id) values ('rogue')"],
  ["UPDATE through the view", "update shop.stock_view set available = 1000000"],
  ["DELETE through the view", "delete from shop.products_view"],
  ["history that was not", "insert into shop.orders_history (order_id) values ('rogue')"],
  ["history that was", "delete from shop.orders_history"],
  ["how far history reaches", "delete from quartet.history_horizon"],
  ["a recorded schema", "delete from quartet.schema_image"],
  ["a note of an object", "select quartet.note_object('view', 'shop.orders_view', 'rogue')"],
  ["SELECT FOR UPDATE", "select * from shop.stock for update"],
  ["LOCK TABLE", "do $$ begin lock table shop.stock in exclusive mode; end $$"],
  ["a large object", "select lo_from_bytea(0, 'rogue')"],
  ["SET ROLE", "set role quartet_crud"],
  ["SET SESSION AUTHORIZATION", "set session authorization postgres"],
  ["CREATE ROLE", "create role rogue"],
  ["a file of the server", "select pg_read_file('PG_VERSION')"],
  ["DROP", "drop table shop.orders"],
  ["ALTER", "alter table shop.orders disable trigger all"],
  ["a replication slot", "select pg_create_physical_replication_slot('rogue')"],
  [
    "ending another session",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename is not null and usename <> current_user",
  ],
];

describe.each(["micro on the replica", "micro on the primary", "nano on the replica", "nano on the primary"])(
  "a handler in %s that writes by itself is refused by the database",
  (place) => {
    test.each(attempts)("%s", async (_what, sql) => {
      const before = await readWorld();
      const answer = await runIn(place, sql);
      expect(answer.status, answer.text).toBe(403);
      expect(answer.json.message).toMatch(/^SQLSTATE (42501|25006)$/);
      expect(await readWorld()).toEqual(before);
    });

    test("several statements in one never run: they cannot be prepared", async () => {
      const before = await readWorld();
      const sql = `commit; begin; set transaction read write; insert into shop.orders (pb) values (${row}); commit`;
      const answer = await runIn(place, sql);
      expect(answer.status, answer.text).toBe(403);
      expect(answer.json.message).toBe("SQLSTATE 42601");
      expect(await readWorld()).toEqual(before);
    });

    test("and serves the next request as before", async () => {
      const url = places[place] ?? "";
      expect((await send("GET", `${url}/readyz`)).status).toBe(200);
      const answer = place.startsWith("micro")
        ? await send("POST", `${url}/shop.v1.Orders/PlaceOrder`, { json: { customer: "writes nothing" } })
        : await send("GET", `${url}/v1/landing`);
      expect(answer.status, answer.text).toBe(200);
    });
  },
);

describe("the answer to a handler that writes by itself", () => {
  const sql = `insert into shop.orders (pb) values (${row})`;

  test.each(["micro on the replica", "micro on the primary"])(
    "from %s is 403, not an invitation to try again elsewhere",
    async (place) => {
      const json = { customer: "attempts unguarded", sku: sql };
      const answer = await send("POST", `${places[place]}/v1/orders`, { json });
      expect(answer.status, answer.text).toBe(403);
      expect(answer.json).toMatchObject({ code: "permission_denied" });
      expect(answer.headers["retry-after"]).toBeUndefined();
    },
  );

  test.each(["nano on the replica", "nano on the primary"])("from %s is 403 too", async (place) => {
    const answer = await send("GET", `${places[place]}/v1/orders?customer=${encodeURIComponent(sql)}`);
    expect(answer.status, answer.text).toBe(403);
    expect(answer.json).toMatchObject({ code: "permission_denied" });
  });

  test("through the gateway is the same, and crud does not do it instead", async () => {
    const count = "select count(*)::int as count from shop.orders";
    const before = (await primary.query(count)).rows;
    const answer = await send("POST", `${cluster.door}/v1/orders`, {
      json: { customer: "attempts unguarded", sku: sql },
      headers: { "Idempotency-Key": randomUUID() },
    });
    expect(answer.status, answer.text).toBe(403);
    expect((await primary.query(count)).rows).toEqual(before);
  });
});

/** What the relay owns in the events database. */
const relayTables = [
  ...["event_log", "event_log_head", "event_log_capture", "event_log_segment", "event_log_delayed"],
  ...[
    "delivery_cursor",
    "delivery_parked",
    "delivery_attempt",
    "relay_lease",
    "relay_process",
    "relay_epoch",
  ],
  ...["dead_letter", "subscription"],
];

describe("the logins of the classes", () => {
  const statements: readonly (readonly [login: "micro-events" | "micro" | "nano", sql: string])[] = [
    ...[
      "select * from quartet.outbox",
      "update quartet.outbox set payload = '{}'",
      "delete from quartet.outbox",
    ].map((sql) => ["micro-events", sql] as const),
    ...relayTables.flatMap((table) => [
      ["micro-events", `select * from quartet.${table}`] as const,
      ["micro-events", `delete from quartet.${table}`] as const,
    ]),
    ["micro-events", "select * from quartet.inbox"],
    ["micro-events", "delete from quartet.inbox"],
    ["micro-events", "create temp table a (b int)"],
    ["micro-events", "truncate quartet.outbox"],
    ["micro", "select * from quartet.outbox"],
    ["micro", "select * from quartet.inbox"],
    ["nano", "select * from quartet.outbox"],
    ["nano", "select * from quartet.inbox"],
  ];

  test.each(statements)("%s may not: %s", async (login, sql) => {
    const client = new pg.Client({ connectionString: cluster.loginUrl(login) });
    await client.connect();
    try {
      await expect(client.query(sql)).rejects.toMatchObject({ code: "42501" });
    } finally {
      await client.end();
    }
  });

  describe.each(["micro", "nano"] as const)(
    "%s on the primary, its session made writable, may not",
    (login) => {
      test.each(attempts)("%s", async (_what, sql) => {
        const before = await readWorld();
        const client = new pg.Client({ connectionString: cluster.loginUrl(login, "primary") });
        await client.connect();
        try {
          await client.query("set default_transaction_read_only = off");
          await expect(client.query(sql)).rejects.toMatchObject({ code: "42501" });
        } finally {
          await client.end();
        }
        expect(await readWorld()).toEqual(before);
      });
    },
  );

  test("nano has no login on the events server", async () => {
    const client = new pg.Client({ connectionString: cluster.loginUrl("nano", "events") });
    await expect(client.connect()).rejects.toMatchObject({ code: "28P01" });
  });
});
