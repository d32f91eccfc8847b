import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { createTestLogin, testDomain } from "../apply/test-domain.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import { startOfMonth } from "../pbtable/history/month.ts";
import { appendEvents } from "./append-events.ts";
import { createEventId, deriveEventId } from "./event-id.ts";

let server: TestServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  database = await server.openDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  await createTestLogin(database, "quartet_relay", "relay");
  await createTestLogin(database, "quartet_crud", "crud");
  return () => database[Symbol.asyncDispose]();
});

/** Publishes as a crud process does. */
async function publish(id: string, client: Parameters<typeof appendEvents>[0] = database.openPool("crud")) {
  const event = { id, aggregateType: "a", aggregateId: "b", type: "c", payload: "{}" };
  const none = { causationId: undefined, correlationId: undefined, traceparent: undefined };
  await appendEvents(client, [{ ...event, ...none, deliverAfter: undefined }]);
}

async function call<T>(sql: string, values: readonly unknown[] = []): Promise<T | undefined> {
  const [row] = await database.query<{ result: T }>(`select ${sql} as result`, values, "relay");
  return row?.result;
}

const close = (keep = "0 s") => call<number>("quartet.close_outbox_months($1::interval)", [keep]);

async function drop(change: { systemId?: string; timeline?: number; lsn?: string } = {}): Promise<unknown> {
  const [now] = await database.query<{ lsn: string; system: string }>(
    "select pg_current_wal_insert_lsn()::text as lsn, system_identifier::text as system from pg_control_system()",
  );
  const { systemId = now?.system, timeline = 1, lsn = now?.lsn } = change;
  return call("quartet.drop_outbox_month($1, $2, $3)", [lsn, systemId, timeline]);
}

/** As if the months had been closed long ago. */
const age = () =>
  database.query("update quartet.outbox_closed set closed_at = now() - interval '11 minutes'");

async function months(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select relname::text as name from pg_inherits join pg_class on oid = inhrelid
where inhparent = 'quartet.outbox'::regclass and relkind = 'r' order by 1`,
  );
  return rows.map((row) => row.name).filter((name) => name !== "outbox_default");
}

const lastMonth = startOfMonth(new Date(), -1);
const lastMonthName = `outbox_${lastMonth.toISOString().slice(0, 7).replace("-", "_")}`;
const oldId = () => createEventId(lastMonth.getTime() + 1_000);

describe("create_outbox_months", () => {
  test("makes this month and the next two as apply makes them, and no others", async () => {
    const before = await months();
    const bounds = () =>
      database.query(
        `select relname, pg_get_expr(relpartbound, oid) as bound from pg_class
where relname ~ '^outbox_\\d' and relkind = 'r' order by 1`,
      );
    const expected = await bounds();
    expect(await call("quartet.create_outbox_months()")).toBe(0);
    for (const name of before.slice(1, 4)) await database.query(`drop table quartet.${name}`);
    expect(await call("quartet.create_outbox_months()")).toBe(3);
    expect(await bounds()).toEqual(expected);
    await publish(createEventId());
    const [row] = await database.query("select tableoid::regclass::text as name from quartet.outbox");
    expect(row?.["name"]).toBe(`quartet.${before[1]}`);
  });

  test("leaves a month in the default partition that has events there", async () => {
    const thisMonth = (await months())[1];
    await database.query(`drop table quartet.${thisMonth}`);
    await publish(createEventId());
    expect(await call("quartet.create_outbox_months()")).toBe(0);
    expect(await months()).not.toContain(thisMonth);
  });
});

describe("a month", () => {
  test("is dropped when it ended long ago and the log has all of it", async () => {
    await publish(oldId());
    const [before] = await database.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
    expect(await close("365 days")).toBe(0);
    expect(await close()).toBe(1);
    expect(await close()).toBe(0);
    expect(await drop()).toBe(null); // closed just now
    await age();
    expect(await drop({ lsn: before?.lsn ?? "" })).toBe(null);
    expect(await drop()).toBe(lastMonthName);
    expect(await months()).not.toContain(lastMonthName);
    expect(await drop()).toBe(null);
    await publish(oldId());
    expect(await database.query("select from quartet.outbox_default")).toHaveLength(1);
  });

  test("that another database has, or another timeline, is not dropped by positions of this one", async () => {
    await close();
    await age();
    expect([await drop({ systemId: "1" }), await drop({ timeline: 2 })]).toEqual([null, null]);
    expect(await drop()).toBe(lastMonthName);
  });

  test("that an event came into since it was closed is closed anew", async () => {
    await close();
    await age();
    await publish(deriveEventId(oldId(), "late"));
    expect(await drop()).toBe(null);
    expect(await database.query("select from quartet.outbox")).toHaveLength(1);
    expect(await drop()).toBe(null);
    await age();
    expect(await drop()).toBe(lastMonthName);
  });

  test("is neither closed nor dropped while a transaction publishes into it", async () => {
    const publisher = await database.connect("crud");
    await publisher.query("begin");
    await publish(oldId(), publisher);
    await expect(close()).rejects.toMatchObject({ code: "55P03" });
    await publisher.query("rollback");
    expect(await close()).toBe(1);
    await age();
    await publisher.query("begin");
    await publish(oldId(), publisher);
    await expect(drop()).rejects.toMatchObject({ code: "55P03" });
    await publisher.query("commit");
    expect(await drop()).toBe(null);
  });
});
