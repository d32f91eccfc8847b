import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { ruledDomain } from "../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { ensureSlot } from "../relay/replication/ensure-slot.ts";
import { openTransactionStream } from "../relay/replication/read-transactions.ts";
import { appendEvents } from "./append-events.ts";
import { createEventId } from "./event-id.ts";
import { outboxPublication } from "./outbox-ddl.ts";
import type { OutboxEvent } from "./outbox-event.ts";
import { readConnector } from "./test-connector.ts";
import {
  type ConnectorChange,
  type KafkaRecord,
  type RouterOptions,
  routeChange,
  routerDefaults,
} from "./test-event-router.ts";

/** Debezium reads the same publication as the relay, from a slot of its own. */
const slot = "debezium_test";
const shipped = readConnector().router;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const url = database.url();
  await applySchema(ruledDomain("first"), { databaseUrl: url, eventsDatabaseUrl: url });
  await ensureSlot({ url, slot, publication: outboxPublication });
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.query("select pg_replication_slot_advance($1, pg_current_wal_lsn())", [slot]);
});

function outboxEvent(more: Partial<OutboxEvent> = {}): OutboxEvent {
  return {
    id: createEventId(),
    aggregateType: "order",
    aggregateId: "order-1",
    type: "shop.v1.OrderPlaced",
    payload: '{"orderId": "order-1", "totalCents": "9007199254740993"}',
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    ...more,
  };
}

/** What the slot holds, through our own reader, as the connector would hand it to the router. */
async function readChanges(count: number): Promise<readonly ConnectorChange[]> {
  const source = { url: database.url(), slot, publication: outboxPublication };
  await using stream = await openTransactionStream(source, { signal: AbortSignal.timeout(20_000) });
  const changes: ConnectorChange[] = [];
  for await (const { rows } of stream) {
    changes.push(...rows.map((row) => ({ op: "c" as const, table: row.relation, after: row.values })));
    if (changes.length >= count) break;
  }
  return changes;
}

/** The records that get into Kafka of what the slot holds. */
async function readRecords(count: number, options: RouterOptions = shipped): Promise<readonly KafkaRecord[]> {
  const changes = await readChanges(count);
  return changes.flatMap((change) => routeChange(options, change) ?? []);
}

/** First bytes of the messages that the server sends for the slot: I, U, D and T are changes (pgoutput). */
async function readChangeKinds(): Promise<readonly string[]> {
  const rows = await database.query<{ kind: string }>(
    `select chr(get_byte(data, 0)) as kind from pg_logical_slot_peek_binary_changes($1, null, null,
  'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [slot, outboxPublication],
  );
  return rows.map((row) => row.kind).filter((kind) => "IUDT".includes(kind));
}

describe("an event in Kafka", () => {
  test("has the topic of its aggregate type, the key of its aggregate, and the stored JSON as its value", async () => {
    const event = outboxEvent();
    await appendEvents(database.pool, [event]);
    const [record] = await readRecords(1);
    expect(record).toMatchObject({ topic: "outbox.event.order", key: "order-1" });
    expect(record?.value).toBe('{"orderId": "order-1", "totalCents": "9007199254740993"}');
    expect(record?.headers).toEqual({
      id: event.id,
      type: "shop.v1.OrderPlaced",
      causationid: null,
      correlationid: null,
      traceparent: null,
      deliverafter: null,
    });
  });

  test("needs no setting of the router: all its defaults fit", async () => {
    const event = outboxEvent({ aggregateType: "shop.v1.Thing", aggregateId: "ключ 1" });
    await appendEvents(database.pool, [event]);
    expect(await readRecords(1, routerDefaults)).toEqual([
      { topic: "outbox.event.shop.v1.Thing", key: "ключ 1", value: event.payload, headers: { id: event.id } },
    ]);
  });

  test("names its cause, its operation and its trace in headers", async () => {
    const causes = { causationId: createEventId(), correlationId: "operation-7", traceparent };
    await appendEvents(database.pool, [outboxEvent(causes)]);
    const [record] = await readRecords(1);
    expect(record?.headers).toMatchObject({
      causationid: causes.causationId,
      correlationid: "operation-7",
      traceparent,
    });
  });

  test("that is delayed is there at once, and says when it is due", async () => {
    await database.query(
      `insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload, deliver_after)
values (uuidv7(), 'order', 'order-1', 'shop.v1.PaymentTimedOut', '{}', '2031-05-06 07:08:09.5+00')`,
    );
    const [record] = await readRecords(1);
    expect(new Date(record?.headers["deliverafter"] ?? "")).toEqual(new Date("2031-05-06T07:08:09.5Z"));
  });

  test("of a changed row has the table as its topic and the row's key", async () => {
    const row = { tenant: "t", id: "a", amount: "5", note: "first" };
    await database.query("insert into ruled.things (pb) values ($1)", [JSON.stringify(row)]);
    await database.query(
      `update ruled.things set version = version + 1, pb = pb || '{"note": "second"}' where id = 'a'`,
    );
    await database.query("delete from ruled.things where id = 'a'");
    const records = await readRecords(3);
    expect(new Set(records.map(({ topic }) => topic))).toEqual(new Set(["outbox.event.ruled.things"]));
    expect(new Set(records.map(({ key }) => key)).size).toBe(1);
    expect(records.map(({ headers }) => headers["type"])).toEqual(
      records.map(() => "ruled.v1.Thing.changed"),
    );
    const values = records.map(({ value }) => JSON.parse(String(value)));
    expect(values.map(({ before, after }) => [before?.note, after?.note])).toEqual([
      [undefined, "first"],
      ["first", "second"],
      ["second", undefined],
    ]);
  });

  test("keeps its place among those of its transaction and of transactions before", async () => {
    const events = Array.from({ length: 30 }, (_, index) => outboxEvent({ payload: `{"index": ${index}}` }));
    for (let start = 0; start < events.length; start += 10) {
      await appendEvents(database.pool, events.slice(start, start + 10));
    }
    const records = await readRecords(30);
    expect(records.map(({ value }) => JSON.parse(String(value)).index)).toEqual([...events.keys()]);
  });

  test("can be had as JSON instead of a string: every payload is an object", async () => {
    await appendEvents(database.pool, [outboxEvent()]);
    const expanded = { ...shipped, "table.expand.json.payload": "true" };
    expect((await readRecords(1, expanded))[0]?.value).toEqual({
      orderId: "order-1",
      totalCents: "9007199254740993",
    });
  });

  test("has a topic with a name that Kafka allows, whatever the platform publishes", async () => {
    const types = ["order", "shop.v1.OrderPlaced", "quartet.operation", "ruled.things"];
    await appendEvents(
      database.pool,
      types.map((aggregateType) => outboxEvent({ aggregateType })),
    );
    for (const { topic } of await readRecords(types.length)) expect(topic).toMatch(/^[a-zA-Z0-9._-]{1,249}$/);
  });
});

describe("the partitioned outbox", () => {
  test("is one table to the connector, whatever partition a row is in", async () => {
    const idOf = (time: string) => createEventId(Date.parse(time));
    const ids = [createEventId(), idOf("2001-01-01"), idOf("2090-01-01")];
    await appendEvents(
      database.pool,
      ids.map((id) => outboxEvent({ id })),
    );
    const partitions = await database.query<{ count: number }>(
      "select count(distinct tableoid)::int as count from quartet.outbox where id = any($1)",
      [ids],
    );
    expect(partitions).toEqual([{ count: 2 }]);
    const changes = await readChanges(3);
    expect(changes.map(({ table }) => table)).toEqual(ids.map(() => "quartet.outbox"));
    expect(readConnector().includesTable("quartet.outbox")).toBe(true);
  });

  test("sends nothing but inserts: updates, deletes and truncation of rows never come", async () => {
    await appendEvents(database.pool, [outboxEvent()]);
    await database.query("update quartet.outbox set correlationid = 'changed'");
    await database.query("delete from quartet.outbox");
    await database.query("truncate quartet.outbox");
    expect(await readChangeKinds()).toEqual(["I"]);
    expect(await readRecords(1)).toHaveLength(1);
  });

  test("sends nothing when retention drops a partition with rows in it", async () => {
    await database.query(
      `create table quartet.outbox_2001_02 partition of quartet.outbox
for values from ('00e3a1f0-0000-0000-0000-000000000000') to ('00e3a1f1-0000-0000-0000-000000000000')`,
    );
    await appendEvents(database.pool, [outboxEvent({ id: "00e3a1f0-0001-7000-8000-000000000000" })]);
    await database.query("drop table quartet.outbox_2001_02");
    expect(await readChangeKinds()).toEqual(["I"]);
  });

  test("lets the relay's heartbeats through as messages, which the connector is told to leave out", async () => {
    await database.query("select pg_logical_emit_message(true, 'quartet.heartbeat', '1')");
    expect(await readChangeKinds()).toEqual([]);
    expect(readConnector().excludesMessages("quartet.heartbeat")).toBe(true);
  });
});

describe("the router", () => {
  test("skips deletes, and stops at an update where that is said to be fatal", () => {
    const change = (op: ConnectorChange["op"]) => ({ op, table: "quartet.outbox", after: undefined });
    expect(routeChange(shipped, change("d"))).toBeUndefined();
    expect(routeChange(routerDefaults, change("u"))).toBeUndefined();
    expect(() => routeChange(shipped, change("u"))).toThrow("unexpected update");
  });

  test("stops at a row that lacks a column it is told of", () => {
    const change = { op: "c" as const, table: "quartet.outbox", after: { id: "1" } };
    expect(() => routeChange(routerDefaults, change)).toThrow("there is no field payload");
  });
});
