import { create, createRegistry } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { IntendedEventSchema, IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import { LineSchema } from "../schema/test-schema.ts";
import { createEventId, deriveEventId, timeOfEventId } from "./event-id.ts";
import { outboxSql } from "./outbox-ddl.ts";
import { publish, publishMany } from "./publish.ts";
import type { OwnPublishOptions } from "./publish-options.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create schema quartet");
  for (const sql of outboxSql(new Date())) await database.query(sql);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.query("truncate quartet.outbox");
});

const rows = () => database.query("select * from quartet.outbox order by place");

describe("publish", () => {
  test("writes one event with all that is said of it, with the caller's transaction", async () => {
    const causeId = createEventId();
    const client = await database.connect();
    await client.query("begin");
    const options = {
      key: "it's a key",
      cause: { id: causeId, ordinal: 3 },
      correlationId: "operation",
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
      deliverAfter: new Date("2040-01-01T00:00:00.000Z"),
    };
    const id = await publish(client, ProblemSchema, { code: "internal", status: 500 }, options);
    expect(await rows()).toEqual([]);
    await client.query("commit");
    expect(id).toBe(deriveEventId(causeId, "publish/3"));
    expect(await rows()).toEqual([
      {
        id,
        aggregatetype: "quartet.v1.Problem",
        aggregateid: options.key,
        type: "quartet.v1.Problem",
        payload: { type: "", title: "", status: 500, detail: "", code: "internal", field: "", fix: "" },
        causationid: causeId,
        correlationid: "operation",
        traceparent: options.traceparent,
        deliver_after: options.deliverAfter,
        place: expect.anything(),
      },
    ]);
  });

  test("of a step done twice is once, of an event without a cause another each time", async () => {
    const cause = { id: createEventId(), ordinal: 0 };
    const id = createEventId();
    for (const options of [{ cause }, { cause }, { id }, { id }, {}, {}]) {
      await publish(database.pool, ProblemSchema, {}, options);
    }
    expect(await rows()).toHaveLength(4);
  });

  test("without a key is ordered by its own id, which carries the time", async () => {
    const id = await publish(database.pool, ProblemSchema, {});
    expect(Math.abs(timeOfEventId(id) - Date.now())).toBeLessThan(60_000);
    expect(await rows()).toMatchObject([{ id, aggregateid: id }]);
  });

  test("takes messages inside an Any of the registry it is given", async () => {
    const registry = createRegistry(LineSchema, IntentSchema);
    const init = { events: [{ event: anyPack(LineSchema, create(LineSchema, { sku: "x" })) }] };
    await expect(publish(database.pool, IntentSchema, init)).rejects.toMatchObject({
      code: "invalid_argument",
    });
    await publish(database.pool, IntentSchema, init, { registry });
    expect(await rows()).toHaveLength(1);
  });

  test.each<[OwnPublishOptions, string]>([
    [{ key: "" }, "key"],
    [{ key: "x".repeat(256) }, "key"],
    [{ key: "a\0b" }, "key"],
    [{ key: "\ud800" }, "key"],
    [{ id: "4b7a8a3e-3c2b-4f0e-9d68-0f6a4d9a4b11" }, "id"],
    [{ id: createEventId(), cause: { id: createEventId(), ordinal: 0 } }, "id"],
    [{ cause: { id: "order-7", ordinal: 0 } }, "cause.id"],
    [{ cause: { id: createEventId(), ordinal: -1 } }, "cause.ordinal"],
    [{ causationId: "a\0" }, "causationId"],
    [{ correlationId: "x".repeat(256) }, "correlationId"],
    [{ traceparent: "00-1-2-01" }, "traceparent"],
    [{ deliverAfter: new Date("never") }, "deliverAfter"],
  ])("refuses %o", async (options, field) => {
    await expect(publish(database.pool, ProblemSchema, {}, options)).rejects.toMatchObject({
      code: "invalid_argument",
      field,
    });
    const events = [
      { schema: ProblemSchema, init: {} },
      { schema: ProblemSchema, init: {}, options },
    ] as const;
    await expect(publishMany(database.pool, events)).rejects.toMatchObject({ field: `events[1].${field}` });
    expect(await rows()).toEqual([]);
  });

  test("refuses a message that the outbox cannot hold, and keys of 255 characters it can", async () => {
    const refused = publish(database.pool, ProblemSchema, { detail: "a\0b" });
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument", field: "detail" });
    await publish(database.pool, ProblemSchema, {}, { key: "🎻".repeat(255) });
    expect(await rows()).toHaveLength(1);
  });
});

describe("publishMany", () => {
  test("writes events of several types in their order, in one statement", async () => {
    const statements: unknown[] = [];
    const counting: Parameters<typeof publishMany>[0] = {
      query: (statement) => {
        statements.push(statement);
        return database.pool.query(statement as never);
      },
    };
    const ids = await publishMany(counting, [
      { schema: ProblemSchema, init: { code: "a" } },
      { schema: IntendedEventSchema, init: { key: "b" }, options: { key: "k" } },
      ...Array.from({ length: 500 }, (_, at) => ({ schema: ProblemSchema, init: { status: at } })),
    ]);
    expect(statements).toHaveLength(1);
    const written = await rows();
    expect(written.map((row) => row["id"])).toEqual(ids);
    expect(written.slice(0, 2)).toMatchObject([{ payload: { code: "a" } }, { aggregateid: "k" }]);
  });

  test("of nothing asks the database nothing", async () => {
    expect(await publishMany({ query: () => Promise.reject(new Error("asked")) }, [])).toEqual([]);
  });

  test("knows the type of each message", () => {
    const { pool } = database;
    expectTypeOf(publish<typeof ProblemSchema>)
      .parameter(2)
      .not.toBeAny();
    const never = () => [
      // @ts-expect-error a field of another message
      publishMany(pool, [{ schema: ProblemSchema, init: { operationId: "x" } }]),
      publishMany(pool, [
        { schema: IntentSchema, init: { operationId: "x" } },
        // @ts-expect-error a field of another message
        { schema: ProblemSchema, init: { operationId: "x" } },
      ]),
      // @ts-expect-error a field of another message
      publish(pool, ProblemSchema, { operationId: "x" }),
    ];
    expect(never).toBeTypeOf("function");
  });
});
