import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { runTransaction } from "../sql/run-transaction.ts";
import { appendEvents } from "./append-events.ts";
import { createEventId, deriveEventId } from "./event-id.ts";
import { createOutboxPublicationSql, outboxPublication, outboxSql } from "./outbox-ddl.ts";
import type { OutboxEvent } from "./outbox-event.ts";

let database: TestDatabase;
const now = new Date("2031-01-31T23:59:59.999Z");

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create schema quartet");
  for (const sql of [...outboxSql(now), createOutboxPublicationSql]) await database.query(sql);
  await database.query("create role appender login password 'of a test, it''s'");
  await database.query("grant usage on schema quartet to appender");
  await database.query("grant insert on quartet.outbox to appender");
});
afterAll(() => database[Symbol.asyncDispose]());

function event(id: string, more: Partial<OutboxEvent> = {}): OutboxEvent {
  return {
    id,
    aggregateType: "test",
    aggregateId: "key",
    type: "test.v1.Line",
    payload: '{"sku":"x"}',
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    ...more,
  };
}

async function partitionOf(id: string): Promise<string | undefined> {
  const rows = await database.query<{ name: string }>(
    "select tableoid::regclass::text as name from quartet.outbox where id = $1",
    [id],
  );
  return rows[0]?.name;
}

const count = async (ids: string[]) =>
  (await database.query("select from quartet.outbox where id = any($1)", [ids])).length;

describe("appendEvents", () => {
  test("stores every column, in order, with texts of any kind", async () => {
    const ids = [createEventId(now.getTime()), createEventId(now.getTime())].sort();
    const full = {
      aggregateId: `it's "a" \\ {key}, NULL`,
      payload: '{"text":"{a,\\"b\\"}\\\\ \\u00e9 🎻"}',
      causationId: "cause",
      correlationId: "correlation",
      traceparent: "00-1-2-01",
    };
    expect(await appendEvents(database.pool, [event(ids[0] ?? "", full), event(ids[1] ?? "")])).toBe(2);
    const rows = await database.query("select * from quartet.outbox where id = any($1) order by id", [ids]);
    expect(rows).toEqual([
      {
        id: ids[0],
        aggregatetype: "test",
        aggregateid: full.aggregateId,
        type: "test.v1.Line",
        payload: { text: '{a,"b"}\\ é 🎻' },
        causationid: "cause",
        correlationid: "correlation",
        traceparent: "00-1-2-01",
        deliver_after: null,
        place: expect.anything(),
      },
      expect.objectContaining({ id: ids[1], causationid: null, correlationid: null, traceparent: null }),
    ]);
  });

  test("appends with its transaction or not at all", async () => {
    const [kept, dropped] = [createEventId(now.getTime()), createEventId(now.getTime())];
    await runTransaction(database.pool, (client) => appendEvents(client, [event(kept)]));
    const failing = runTransaction(database.pool, async (client) => {
      await appendEvents(client, [event(dropped)]);
      throw new RangeError("no");
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect([await count([kept]), await count([dropped])]).toEqual([1, 0]);
  });

  test("of an id that is there is nothing, and the first stays", async () => {
    const id = deriveEventId(createEventId(now.getTime()), "event/0");
    const other = createEventId(now.getTime());
    expect(await appendEvents(database.pool, [event(id)])).toBe(1);
    expect(await appendEvents(database.pool, [event(id, { payload: '{"sku":"y"}' }), event(other)])).toBe(1);
    expect(await appendEvents(database.pool, [event(id), event(id)])).toBe(0);
    const rows = await database.query("select payload from quartet.outbox where id = $1", [id]);
    expect(rows).toEqual([{ payload: { sku: "x" } }]);
  });

  test("of nothing asks the database nothing", async () => {
    expect(await appendEvents({ query: () => Promise.reject(new Error("asked")) }, [])).toBe(0);
  });

  test("of more than one statement's parameters is one statement all the same", async () => {
    const ids = Array.from({ length: 10_000 }, () => createEventId(now.getTime()));
    expect(
      await appendEvents(
        database.pool,
        ids.map((id) => event(id)),
      ),
    ).toBe(10_000);
  });

  test("needs INSERT alone", async () => {
    const id = createEventId(now.getTime());
    const pool = database.openPool("appender");
    expect(await appendEvents(pool, [event(id)])).toBe(1);
    expect(await appendEvents(pool, [event(id)])).toBe(0);
    await expect(pool.query("select from quartet.outbox")).rejects.toMatchObject({ code: "42501" });
    await expect(pool.query("delete from quartet.outbox")).rejects.toMatchObject({ code: "42501" });
  });
});

describe("the outbox's partitions", () => {
  test.each([
    ["the last instant of a month", "2031-01-31T23:59:59.999Z", "quartet.outbox_2031_01"],
    ["the first instant of the next", "2031-02-01T00:00:00.000Z", "quartet.outbox_2031_02"],
    ["last month", "2030-12-01T00:00:00.000Z", "quartet.outbox_2030_12"],
    ["a year ahead", "2032-01-31T00:00:00.000Z", "quartet.outbox_2032_01"],
    ["long ago", "1999-01-01T00:00:00.000Z", "quartet.outbox_default"],
    ["far ahead", "2040-01-01T00:00:00.000Z", "quartet.outbox_default"],
  ])("take %s by the id's time, derived ids with it", async (_, at, partition) => {
    const id = createEventId(Date.parse(at));
    const derived = deriveEventId(id, "event/1");
    await appendEvents(database.pool, [event(id), event(derived)]);
    expect([await partitionOf(id), await partitionOf(derived)]).toEqual([partition, partition]);
  });

  test("are made again without harm, also for a month whose events came before its partition", async () => {
    const early = createEventId(Date.parse("2033-05-05T00:00:00Z"));
    await appendEvents(database.pool, [event(early)]);
    for (const sql of outboxSql(new Date("2033-04-01T00:00:00Z"))) await database.query(sql);
    expect(await partitionOf(early)).toBe("quartet.outbox_default");
    const later = createEventId(Date.parse("2033-06-01T00:00:00Z"));
    await appendEvents(database.pool, [event(later)]);
    expect(await partitionOf(later)).toBe("quartet.outbox_2033_06");
  });

  test("are published as one table, inserts alone", async () => {
    const [publication] = await database.query(
      "select pubviaroot, pubinsert, pubupdate, pubdelete, pubtruncate from pg_publication where pubname = $1",
      [outboxPublication],
    );
    expect(publication).toEqual({
      pubviaroot: true,
      pubinsert: true,
      pubupdate: false,
      pubdelete: false,
      pubtruncate: false,
    });
  });
});
