import { createRegistry, type JsonValue } from "@bufbuild/protobuf";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { type OpenRuntime, openRuntime } from "../../edge/open-runtime.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { inboxSql } from "../../inbox/inbox-ddl.ts";
import { createEventId } from "../../outbox/event-id.ts";
import { createKeptTables } from "../../pbtable/history/test-history.ts";
import { createTableSql } from "../../pbtable/table-ddl.ts";
import { systemTables } from "../../schema/system-tables.ts";
import { type LooseMessage, make } from "../../schema/test-schema.ts";
import { defineDomain } from "../../service/domain.ts";
import { eventTypesOf } from "../../service/reaction.ts";
import { saga } from "../../service/saga/saga.ts";
import {
  BookingSchema,
  BookSchema,
  CancelledSchema,
  DoneSchema,
  FailedSchema,
  FlownSchema,
  StartedSchema,
  tripFile,
} from "../../service/saga/test-saga.ts";
import { write } from "../../service/write.ts";
import { translateDatabaseError } from "../../sql/translate-error.ts";
import { receiveEvent } from "../receive-event.ts";
import type { ReceivedEvent } from "../received-event.ts";
import { sagaRetentionObjects } from "./saga-retention-ddl.ts";

/** Adds a text to the trip's booking. Not idempotent by itself: it tells how often it happened. */
const book = write(BookSchema, async (tx, intent) => {
  const { id, text } = intent as LooseMessage;
  const bookings = tx.table(BookingSchema);
  if (text === "taken") await bookings.insert({ id, text });
  if (!(await bookings.insertIfAbsent({ id, text }))) {
    await bookings.update(String(id), (draft) => {
      const row = draft as LooseMessage;
      row["text"] = `${row["text"]} ${text}`;
    });
  }
  if (text === "booked") tx.publish(DoneSchema, { id });
  if (text === "full") throw new QuartetError("failed_precondition", "The hotel is full.");
  return make(BookingSchema, { id, text });
});

/** What the steps of the trip with this key are to do, instead of what they do by default. */
const plans = new Map<string, { run?: () => Promise<string>; undo?: () => Promise<string> }>();

const trip = saga("trip", {
  start: StartedSchema,
  cancelled: CancelledSchema,
  compensate: async (ctx, { key, failure }) => {
    ctx.write(book, { id: key, text: `(${failure?.step}: ${failure?.reason})` });
  },
  steps: [
    {
      name: "book",
      done: DoneSchema,
      failed: FailedSchema,
      timeoutMs: 3_600_000,
      run: async (ctx, { key }) =>
        void ctx.write(book, { id: key, text: (await plans.get(key)?.run?.()) ?? "booked" }),
      compensate: async (ctx, { key }) =>
        void ctx.write(book, { id: key, text: (await plans.get(key)?.undo?.()) ?? "unbooked" }),
    },
    {
      name: "fly",
      done: FlownSchema,
      timeoutMs: 3_600_000,
      run: async (ctx, { key, outcome }) =>
        ctx.publish(FlownSchema, { id: key, text: outcome(DoneSchema)?.$typeName ?? "nothing" }),
      compensate: async () => undefined,
    },
  ],
});

const domain = defineDomain({
  name: "trips",
  schema: createRegistry(tripFile),
  services: [],
  writes: [book],
  sagas: [trip],
});

let database: TestDatabase;
let runtime: OpenRuntime;
let trips = 0;
let key = "";

beforeAll(async () => {
  database = await openTestDatabase();
  await createKeptTables(database, []);
  await database.query("create schema if not exists trips");
  for (const table of [...domain.tables, ...systemTables]) await database.query(createTableSql(table));
  for (const sql of inboxSql) await database.query(sql);
  for (const { create } of sagaRetentionObjects()) await database.query(create);
  runtime = await openRuntime({
    domain,
    databaseUrl: database.url(),
    eventsDatabaseUrl: undefined,
    upstreams: { crud: [], micro: [], nano: [], lambda: [] },
    secret: Buffer.alloc(32),
    maxConnections: 8,
    log: pino({ level: "silent" }),
    expected: "crud",
    allowSurplus: true,
  });
});
afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(() => {
  trips += 1;
  key = `trip-${trips}`;
});

interface OutboxRow {
  readonly id: string;
  readonly type: string;
  readonly aggregateid: string;
  readonly payload: Record<string, JsonValue>;
  readonly delayed: boolean;
}

/** Events about this test's trip, timeouts among them. */
async function outbox(): Promise<OutboxRow[]> {
  const rows = await database.query<OutboxRow>(
    "select id, type, aggregateid, payload, deliver_after > now() as delayed from quartet.outbox order by place",
  );
  return rows.filter(({ payload }) => payload["instanceKey"] === key || payload["id"] === key);
}

const delivered = new Set<string>();

/** What a relay does with an event: a push to each reaction that takes it. */
async function push(row: Omit<OutboxRow, "delayed">, attempt = 1, time = new Date()): Promise<void> {
  delivered.add(row.id);
  for (const reaction of domain.reactions.values()) {
    if (!eventTypesOf(reaction).includes(row.type)) continue;
    const event: ReceivedEvent = {
      ...{ subscription: `reaction/${reaction.name}`, id: row.id, type: row.type, key: row.aggregateid },
      ...{ time, attempt, position: undefined, traceparent: undefined, data: row.payload },
    };
    const scope = {
      principal: "relay",
      deadlineMs: Date.now() + 20_000,
      signal: AbortSignal.timeout(20_000),
    };
    await receiveEvent(runtime, event, scope);
  }
}

/** Pushes everything that is due, twice, until nothing is. */
async function settle(): Promise<void> {
  for (;;) {
    const due = (await outbox()).filter((row) => !row.delayed && !delivered.has(row.id));
    if (due.length === 0) return;
    for (const row of due) {
      await push(row);
      await push(row, 2);
    }
  }
}

/** The latest event of a kind. */
async function latest(type: string): Promise<OutboxRow> {
  const row = (await outbox()).findLast((each) => each.type === type);
  if (row === undefined) throw new Error(`there is no ${type} of ${key}`);
  return row;
}

/** An event of the trip that somebody publishes. */
const tell = (type: string) =>
  push({ id: createEventId(), type, aggregateid: key, payload: { id: key } }).then(settle);
const timeOut = async () => push(await latest("quartet.v1.SagaTimeout")).then(settle);
const begin = () => tell("trips.v1.Started");

async function state() {
  const [row] = await database.query<{ pb: Record<string, JsonValue> }>(
    "select pb from quartet.saga where instance_key = $1",
    [key],
  );
  const [booking] = await database.query<{ text: string }>("select text from trips.bookings where id = $1", [
    key,
  ]);
  const name = (text: JsonValue | undefined) => String(text).replace(/^SAGA_(STEP_)?STATUS_/, "");
  const steps = (row?.pb["steps"] ?? []) as Record<string, JsonValue>[];
  return {
    status: name(row?.pb["status"]),
    steps: steps.map((step) => name(step["status"])).join(" "),
    booking: booking?.text,
    lastError: row?.pb["lastError"],
  };
}

test("all steps are done, each once, though every event is pushed twice", async () => {
  await begin();
  expect(await state()).toMatchObject({ status: "COMPLETED", steps: "DONE DONE DONE", booking: "booked" });
  expect((await latest("trips.v1.Flown")).payload).toMatchObject({ text: "trips.v1.Done" });
  const versions = () => database.query("select version from quartet.saga where instance_key = $1", [key]);
  const before = { events: (await outbox()).length, versions: await versions() };
  for (const row of (await outbox()).filter(({ delayed }) => delayed)) await push(row);
  for (const again of ["Started", "Done", "Failed", "Cancelled"]) await tell(`trips.v1.${again}`);
  expect(await state()).toMatchObject({ status: "COMPLETED", booking: "booked" });
  expect({ events: (await outbox()).length, versions: await versions() }).toEqual({
    events: before.events,
    versions: before.versions,
  });
});

test("a step whose write inserts what is there already is refused, and undone", async () => {
  await database.query("insert into trips.bookings (pb) values (jsonb_build_object('id', $1::text))", [key]);
  plans.set(key, { run: async () => "taken" });
  await begin();
  expect(await state()).toMatchObject({
    status: "COMPENSATED",
    lastError: expect.stringMatching(/^book: Booking .* exists already\.$/),
  });
});

test("a write that refuses gives its step up: nothing of it stays, and the rest is undone", async () => {
  plans.set(key, { run: async () => "full" });
  await begin();
  expect(await state()).toEqual({
    status: "COMPENSATED",
    steps: "COMPENSATED COMPENSATED PENDING",
    booking: "unbooked (book: The hotel is full.)",
    lastError: "book: The hotel is full.",
  });
});

test.each([
  ["whose text no database can keep", "no \0 such \ud800seat", "no \ufffd such \ufffdseat"],
  ["that says nothing", "", ""],
])(
  "a step that is refused with a text %s is given up at once, and its undoing is told",
  async (_, text, kept) => {
    plans.set(key, {
      run: async () => {
        throw new QuartetError("failed_precondition", text);
      },
    });
    await begin();
    expect(await state()).toMatchObject({ status: "COMPENSATED", booking: `unbooked (book: ${kept})` });
  },
);

test("a grant that is missing is no refusal: nothing is undone for it", async () => {
  const missing = await database
    .query("do $$ begin raise insufficient_privilege; end $$")
    .catch((error) => error);
  plans.set(key, {
    run: async () => {
      throw translateDatabaseError(missing);
    },
  });
  await expect(begin()).rejects.toMatchObject({ code: "internal" });
  expect(await state()).toMatchObject({ status: "RUNNING", steps: "DONE RUNNING PENDING" });
});

test("a timeout stands behind what was published about its run before", async () => {
  plans.set(key, { run: async () => "asked" });
  await begin();
  expect((await latest("quartet.v1.SagaTimeout")).aggregateid).toBe(key);
});

test("a step that fails by its event is not undone itself", async () => {
  plans.set(key, { run: async () => "asked" });
  await begin();
  await tell("trips.v1.Failed");
  expect(await state()).toMatchObject({
    status: "COMPENSATED",
    steps: "COMPENSATED FAILED PENDING",
    booking: "asked (book: trips.v1.Failed)",
  });
});

test("a run that is called off is undone", async () => {
  plans.set(key, { run: async () => "asked" });
  await begin();
  await tell("trips.v1.Cancelled");
  expect(await state()).toMatchObject({
    status: "COMPENSATED",
    booking: "asked unbooked (: trips.v1.Cancelled)",
  });
});

test("a decision that comes after the timeout writes nothing, and undoes the step again", async () => {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<string>();
  plans.set(key, {
    run: async () => {
      reached.resolve();
      return released.promise;
    },
  });
  const running = begin();
  await reached.promise;
  await timeOut();
  expect(await state()).toMatchObject({
    status: "COMPENSATED",
    booking: "unbooked (book: no outcome within 3600000 ms)",
  });
  released.resolve("booked");
  await running;
  expect(await state()).toMatchObject({
    status: "COMPENSATED",
    steps: "COMPENSATED COMPENSATED PENDING",
    booking: "unbooked (book: no outcome within 3600000 ms) unbooked",
  });
});

test("an answer that comes twice after the timeout undoes the step once more", async () => {
  plans.set(key, { run: async () => "asked" });
  await begin();
  await timeOut();
  await tell("trips.v1.Done");
  await tell("trips.v1.Done");
  const { status, booking } = await state();
  expect(status).toBe("COMPENSATED");
  expect(booking?.match(/unbooked/g)).toHaveLength(2);
});

test("of two outcomes and a timeout that race one counts", async () => {
  for (let round = 0; round < 10; round++) {
    key = `race-${round}`;
    plans.set(key, { run: async () => "asked" });
    await begin();
    const timeout = await latest("quartet.v1.SagaTimeout");
    const outcomes = ["Done", "Failed", "Done"].map((type) => ({
      ...{ id: createEventId(), type: `trips.v1.${type}`, aggregateid: key, payload: { id: key } },
    }));
    await Promise.all([...outcomes, timeout].map((row) => push(row)));
    await settle();
    const { status, booking } = await state();
    expect(["COMPLETED", "COMPENSATED"]).toContain(status);
    if (status === "COMPLETED") expect(booking).toBe("asked");
    // It was said to be done, so whatever else was said, it is undone.
    else expect(booking).toMatch(/unbooked/);
  }
});

test("a compensation that goes on failing is stuck and tells so, until it is tried again with success", async () => {
  plans.set(key, {
    run: async () => "full",
    undo: async () => {
      throw new QuartetError("failed_precondition", "The desk is closed.");
    },
  });
  await begin();
  for (let attempt = 1; attempt <= 5; attempt++) {
    expect((await state()).status).toBe("COMPENSATING");
    await timeOut();
  }
  expect(await state()).toMatchObject({ status: "STUCK", lastError: "book: The desk is closed." });
  const told = (await outbox()).filter(({ type }) => type === "quartet.v1.SagaStuck");
  expect(told.map(({ payload }) => payload)).toEqual([
    { saga: "trip", instanceKey: key, step: "book", lastError: "The desk is closed." },
  ]);
  plans.set(key, {});
  const payload = { saga: "trip", instanceKey: key };
  await push({ id: createEventId(), type: "quartet.v1.SagaRetry", aggregateid: key, payload });
  await settle();
  expect(await state()).toMatchObject({ status: "COMPENSATED", steps: "COMPENSATED COMPENSATED PENDING" });
});

/** As if it had all been eight days ago. Returns that time. */
async function forget(): Promise<Date> {
  const time = new Date(Date.now() - 8 * 86_400_000);
  const times = {
    startTime: time.toISOString(),
    updateTime: time.toISOString(),
    endTime: time.toISOString(),
  };
  await database.query("update quartet.saga set pb = pb || $2 where instance_key = $1", [
    key,
    JSON.stringify(times),
  ]);
  const [pruned] = await database.query("select quartet.prune_sagas('7 days', 10) as count");
  expect(pruned).toEqual({ count: 1 });
  return time;
}

test("a run that is forgotten is neither begun nor moved on again by its events", async () => {
  const started = { id: createEventId(), type: "trips.v1.Started", aggregateid: key, payload: { id: key } };
  await push(started);
  await settle();
  expect((await state()).status).toBe("COMPLETED");
  const time = await forget();
  const events = await outbox();
  await push(started, 2, time);
  const timeouts = events.filter(({ type }) => type === "quartet.v1.SagaTimeout");
  expect(timeouts).toHaveLength(2);
  for (const row of timeouts) await push(row, 1, time);
  for (const type of ["Done", "Failed", "Flown", "Cancelled"]) await tell(`trips.v1.${type}`);
  const payload = { saga: "trip", instanceKey: key };
  await push({ id: createEventId(), type: "quartet.v1.SagaRetry", aggregateid: key, payload });
  expect(await state()).toMatchObject({ status: "undefined", booking: "booked" });
  expect(await outbox()).toHaveLength(events.length);
});

test("a step of a run that is forgotten runs no more, and whoever redrives it is told", async () => {
  const tries = { run: 0, undo: 0 };
  const counted = (code: "run" | "undo") => async () => {
    tries[code] += 1;
    return code === "run" ? "full" : "unbooked";
  };
  plans.set(key, { run: counted("run"), undo: counted("undo") });
  await begin();
  const due = (await outbox()).filter(({ type }) => type === "quartet.v1.SagaStepDue");
  const again = (backward: boolean) => {
    const found = due.find(({ payload }) => payload["step"] === "book" && payload["backward"] === backward);
    if (found === undefined) throw new Error(`nothing of ${key} was due`);
    return { ...found, id: createEventId() };
  };
  const before = { ...tries };
  const time = await forget();
  await expect(push(again(false), 1, time)).rejects.toMatchObject({ code: "failed_precondition" });
  await push(again(true), 1, time);
  expect(tries).toEqual(before);
  // One that is young belongs to a run that is not seen yet.
  await push(again(true));
  expect(tries.undo).toBe(before.undo + 1);
});

test("outcomes of what no saga began are nothing", async () => {
  await tell("trips.v1.Done");
  expect((await state()).status).toBe("undefined");
});
