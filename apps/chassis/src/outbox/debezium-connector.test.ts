import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../apply/apply-schema.ts";
import { ruledDomain } from "../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase, testPassword } from "../cluster/postgres/test-database.ts";
import { appendEvents } from "./append-events.ts";
import { createEventId } from "./event-id.ts";
import { outboxPublication } from "./outbox-ddl.ts";
import { readConnector, readLoginGrants } from "./test-connector.ts";
import { parsePlacement } from "./test-event-router.ts";

const { config, router, transformSettings, includesTable } = readConnector();
const login = "shop_debezium";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const url = database.url();
  await applySchema(ruledDomain("first"), { databaseUrl: url, eventsDatabaseUrl: url });
  await database.query(
    `create role ${login} login replication password '${testPassword.replaceAll("'", "''")}'`,
  );
  for (const grant of readLoginGrants(login)) await database.query(grant);
});
afterAll(() => database[Symbol.asyncDispose]());

/**
 * Options of the connector, of Kafka Connect and of its predicate, as their documentations name them: one that is
 * misspelt would be ignored.
 */
const knownOptions = [
  ...["connector.class", "tasks.max", "topic.prefix", "tombstones.on.delete", "transforms", "predicates"],
  ...["database.hostname", "database.port", "database.user", "database.password", "database.dbname"],
  ...["plugin.name", "publication.name", "publication.autocreate.mode", "table.include.list"],
  ...["slot.name", "slot.failover", "slot.drop.on.stop", "message.prefix.exclude.list"],
  ...["snapshot.mode", "snapshot.select.statement.overrides"],
  "snapshot.select.statement.overrides.quartet.outbox",
  ...["heartbeat.interval.ms", "heartbeat.action.query"],
  ...["predicates.isOutbox.type", "predicates.isOutbox.pattern"],
  ...["key.converter", "value.converter", "header.converter"],
];

test("the configuration names no option that is not documented", () => {
  const others = Object.keys(config).filter((name) => !name.startsWith("transforms.outbox."));
  expect(others.filter((name) => !knownOptions.includes(name))).toEqual([]);
  expect(transformSettings.toSorted()).toEqual(["predicate", "type"]);
  expect(Object.values(config).every((value) => typeof value === "string")).toBe(true);
});

test("every column that the configuration names is one of the outbox", async () => {
  const columns = await database.query<{ name: string }>(
    "select attname as name from pg_attribute where attrelid = 'quartet.outbox'::regclass and attnum > 0",
  );
  const named = [
    ...parsePlacement(router["table.fields.additional.placement"]).map(({ column }) => column),
    ...["id", "key", "payload"].map((field) => router[`table.field.event.${field}` as keyof typeof router]),
    router["route.by.field"],
  ];
  expect(named).toHaveLength(9);
  expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining(named));
});

test("the columns that Debezium expects have the types that it documents", async () => {
  const columns = await database.query<{ name: string; type: string; required: boolean }>(
    `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as required
from pg_attribute where attrelid = 'quartet.outbox'::regclass and attnum between 1 and 5 order by attnum`,
  );
  const text = { type: "character varying(255)", required: true };
  expect(columns).toEqual([
    { name: "id", type: "uuid", required: true },
    { name: "aggregatetype", ...text },
    { name: "aggregateid", ...text },
    { name: "type", ...text },
    { name: "payload", type: "jsonb", required: true },
  ]);
});

test("the connector reads the publication that apply makes, and makes none", async () => {
  expect(config).toMatchObject({
    "plugin.name": "pgoutput",
    "publication.name": outboxPublication,
    "publication.autocreate.mode": "disabled",
  });
  const tables = await database.query<{ name: string }>(
    "select schemaname || '.' || tablename as name from pg_publication_tables where pubname = $1",
    [config["publication.name"]],
  );
  expect(tables).toEqual([{ name: "quartet.outbox" }]);
  expect(includesTable("quartet.outbox")).toBe(true);
  expect(includesTable("quartet.outbox_2026_11")).toBe(false);
});

test("its slot is none of a relay's", () => {
  const ours = ["main", "events"].map((source) => `quartet_shop_${source}`);
  expect(config["slot.name"]).toMatch(/^[a-z0-9_]{1,63}$/);
  expect(ours).not.toContain(config["slot.name"]);
});

test("the router is asked for records of the outbox alone, not for heartbeats", () => {
  const pattern = new RegExp(`^(?:${config["predicates.isOutbox.pattern"]})$`);
  expect(pattern.test(`${config["topic.prefix"]}.quartet.outbox`)).toBe(true);
  expect(pattern.test(`__debezium-heartbeat.${config["topic.prefix"]}`)).toBe(false);
  expect(config["transforms.outbox.predicate"]).toBe(config["predicates"]);
});

test("its login may take the snapshot, in publishing order, and send the heartbeat", async () => {
  const ids = [createEventId(), createEventId(Date.parse("2001-01-01")), createEventId()];
  await appendEvents(
    database.pool,
    ids.map((id) => ({
      id,
      aggregateType: "order",
      aggregateId: "1",
      type: "shop.v1.OrderPlaced",
      payload: "{}",
      causationId: undefined,
      correlationId: undefined,
      traceparent: undefined,
    })),
  );
  const snapshot = config["snapshot.select.statement.overrides.quartet.outbox"] ?? "";
  const rows = await database.query<{ id: string }>(snapshot, [], login);
  expect(rows.map(({ id }) => id)).toEqual(ids);
  await database.query(config["heartbeat.action.query"] ?? "", [], login);
});

test("its login may write nothing, and read no other table of the platform", async () => {
  const attempts = [
    "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values (uuidv7(), 'a', 'b', 'c', '{}')",
    "delete from quartet.outbox",
    "select from quartet.inbox",
    "select from ruled.things",
  ];
  for (const attempt of attempts) {
    await expect(database.query(attempt, [], login)).rejects.toMatchObject({ code: "42501" });
  }
});
