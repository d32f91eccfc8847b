import type { RequestListener } from "node:http";
import express from "express";
import { Pool } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { createInbox, type InboxHandler } from "./create-inbox.ts";
import type { InboxEvent } from "./inbox-event.ts";
import type { InboxOptions } from "./inbox-options.ts";
import { inboxTableSql } from "./inbox-table.ts";
import { createEffects, insertEffect, openTestHost, readEffects, type TestHost } from "./test-inbox.ts";
import { type PushMode, push, testEvent, testSecret } from "./test-push.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createEffects(database);
});
afterAll(() => database[Symbol.asyncDispose]());
afterEach(() => {
  expect(database.pool.totalCount - database.pool.idleCount, "connections not given back").toBe(0);
});

const failing = (event: InboxEvent) => event.type === "test.v1.Failing";

/** Inserts an effect; and throws after it for events that are to fail. */
const handle: NonNullable<InboxOptions["handle"]> = async (tx, event) => {
  await tx.query(insertEffect, [event.id, event.key, event.attempt]);
  if (failing(event)) throw new QuartetError("unprocessable_event", `${event.id} is bad.`);
};

function open(options: object = {}): InboxHandler {
  const settings = { pool: database.pool, secrets: [testSecret], onError: () => undefined };
  return createInbox({ ...settings, handle, ...options } as InboxOptions);
}

/** Whose statements do not wait for one another. */
let pipelined: Pool;
beforeAll(() => {
  pipelined = new Pool({ connectionString: database.url(), max: 4, pipeline: true });
  // Its connections may still be closing when the database is dropped.
  pipelined.on("error", () => undefined);
});
afterAll(() => pipelined.end());

type Host = readonly [name: string, mount: (inbox: InboxHandler) => RequestListener, options: () => object];

const hosts: readonly Host[] = [
  ["node:http", (inbox) => inbox, () => ({})],
  ["node:http, side by side and pipelined", (inbox) => inbox, () => ({ sideBySide: true, pool: pipelined })],
  ["Express", (inbox) => express().post("/events", inbox), () => ({})],
  [
    "Express after express.raw()",
    (inbox) =>
      express()
        .use(express.raw({ type: () => true, limit: "8mb" }))
        .post("/events", inbox),
    () => ({}),
  ],
];

const modes: readonly PushMode[] = ["binary", "structured", "batch"];

describe.each(hosts)("an inbox on %s", (name, mount, options) => {
  let host: TestHost;
  const idOf = (id: string) => `${name.replaceAll(/\W/g, "")}-${id}`;
  const effects = (id: string) => readEffects(database, idOf(id));

  beforeAll(async () => {
    host = await openTestHost(mount(open(options())));
  });
  afterAll(() => host[Symbol.asyncDispose]());

  test.each(modes)("gives an event in %s mode its effect once, however often it comes", async (mode) => {
    const event = testEvent(idOf(mode), {}, "key");
    for (let time = 0; time < 3; time++) expect((await push(host.url, mode, [event])).status).toBe(204);
    expect(await effects(mode)).toMatchObject([{ event_id: event.id, key: "key", attempt: 1 }]);
  });

  test("gives an event that comes many times at once its effect once", async () => {
    const event = testEvent(idOf("at-once"));
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => push(host.url, "structured", [event])),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    expect(await effects("at-once")).toHaveLength(1);
  });

  test("answers a batch with the events that failed, and those of their keys behind them", async () => {
    const bad = { type: "test.v1.Failing" };
    const events = [
      testEvent(idOf("failures-1"), {}, "a"),
      testEvent(idOf("failures-2"), bad, "b"),
      testEvent(idOf("failures-3"), {}, "b"),
      testEvent(idOf("failures-4"), {}, "a"),
      testEvent(idOf("failures-5"), bad, "b"),
    ];
    const answer = await push(host.url, "batch", events);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
    const early = { status: 425, detail: "An event before it, of the same key, failed." };
    expect(await answer.json()).toEqual({
      batchItemFailures: [
        { itemIdentifier: idOf("failures-2"), status: 422, detail: `${idOf("failures-2")} is bad.` },
        { itemIdentifier: idOf("failures-3"), ...early },
        { itemIdentifier: idOf("failures-5"), ...early },
      ],
    });
    expect((await effects("failures")).map((effect) => effect.event_id)).toEqual([
      idOf("failures-1"),
      idOf("failures-4"),
    ]);
  });

  test("keeps the order of each key in a batch of several transactions", async () => {
    const events = Array.from({ length: 500 }, (_, at) => {
      return testEvent(idOf(`order-${String(at).padStart(3, "0")}`), {}, `key ${at % 7}`);
    });
    expect((await push(host.url, "batch", events)).status).toBe(204);
    const done = await effects("order");
    expect(done).toHaveLength(500);
    for (const key of new Set(done.map((effect) => effect.key))) {
      const ids = done.filter((effect) => effect.key === key).map((effect) => effect.event_id);
      expect(ids).toEqual([...ids].sort());
    }
  });

  test.each<[string, number, string, Parameters<typeof push>[3]]>([
    [
      "of another secret",
      401,
      "unauthenticated",
      { secret: `whsec_${Buffer.alloc(32, 2).toString("base64")}` },
    ],
    ["without a signature", 401, "unauthenticated", { headers: { "webhook-signature": "" } }],
    ["of long ago", 401, "unauthenticated", { headers: { "webhook-timestamp": "1600000000" } }],
    ["whose id is not the signed one", 422, "unprocessable_event", { webhookId: "other" }],
    ["that is no event", 400, "invalid_argument", { headers: { "ce-specversion": "0.3" } }],
  ])("refuses a push %s", async (_, status, code, changes) => {
    const answer = await push(host.url, "binary", [testEvent(idOf("refused"))], changes);
    expect([answer.status, await answer.json()]).toEqual([status, expect.objectContaining({ code })]);
    expect(await effects("refused")).toEqual([]);
  });

  test("takes an empty batch", async () => {
    expect((await push(host.url, "batch", [])).status).toBe(204);
  });
});

describe("an inbox", () => {
  test("that finds its body read by a parser says what to do, and blames no event", async () => {
    const thrown: unknown[] = [];
    const inbox = open({ onError: (error: unknown) => void thrown.push(error) });
    await using host = await openTestHost(
      express()
        .use(express.json({ type: () => true }))
        .post("/events", inbox),
    );
    const answer = await push(host.url, "structured", [testEvent("parsed")]);
    expect([answer.status, await answer.json()]).toEqual([
      500,
      expect.objectContaining({ fix: expect.stringContaining("before express.json()") }),
    ]);
    expect(thrown).toHaveLength(1);
  });

  test("takes posts alone, and bodies up to its limit", async () => {
    await using host = await openTestHost(open({ maxBodyBytes: 1_000 }));
    const got = await fetch(host.url);
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
    const large = testEvent("large", { data: Buffer.from(JSON.stringify("x".repeat(1_000))) });
    expect((await push(host.url, "structured", [large])).status).toBe(413);
    expect((await push(host.url, "structured", [testEvent("small")])).status).toBe(204);
  });

  test("tells strangers' events apart by source and id, and a relay's by subscription and id", async () => {
    await using host = await openTestHost(open());
    const stranger = (id: string, source: string) => ({ ...testEvent(id), source, extensions: {} });
    const events = [
      stranger("told-a", "/one"),
      stranger("told-a", "/two"),
      testEvent("told-a"),
      testEvent("told-a", { extensions: { quartetsubscription: "other" } }),
      testEvent("told-a", { source: "/quartet/test/events" }),
      stranger("told-a", "/one"),
    ];
    for (const event of events) expect((await push(host.url, "structured", [event])).status).toBe(204);
    expect(await readEffects(database, "told-a")).toHaveLength(4);
  });

  test("with a name of its own takes what several subscriptions bring once", async () => {
    await using host = await openTestHost(open({ consumer: "named" }));
    for (const quartetsubscription of ["x", "y"]) {
      await push(host.url, "structured", [testEvent("named", { extensions: { quartetsubscription } })]);
    }
    expect(await readEffects(database, "named")).toHaveLength(1);
  });

  test("takes ids of any length and character", async () => {
    await using host = await openTestHost(open());
    const ids = [`it's "{a,b}" \\ NULL é 🎻`, "NULL", "{}", `\\'; drop table effect; --`, "long".repeat(400)];
    const events = ids.map((id) => testEvent(`any-${id}`, {}, "one"));
    for (let time = 0; time < 2; time++)
      expect((await push(host.url, "batch", events, { webhookId: "any" })).status).toBe(204);
    expect((await readEffects(database, "any-")).map((effect) => effect.event_id)).toEqual(
      ids.map((id) => `any-${id}`),
    );
  });

  test("unsigned is one that says so", async () => {
    await using host = await openTestHost(open({ secrets: "none" }));
    const changes = { headers: { "webhook-signature": "v1,none", "webhook-id": "other" } };
    expect((await push(host.url, "binary", [testEvent("unsigned")], changes)).status).toBe(204);
    expect(() => open({ secrets: [] })).toThrow(expect.objectContaining({ field: "secrets" }));
  });

  test.each([
    [{ handle: undefined }, "handle"],
    [{ handleBatch: async () => undefined }, "handle"],
    [{ maxTransactions: 0 }, "maxTransactions"],
    [{ maxBatch: 1.5 }, "maxBatch"],
    [{ table: "inbox" }, "table"],
    [{ sideBySide: true }, "sideBySide"],
  ])("is none with %o", (options, field) => {
    expect(() => open(options)).toThrow(expect.objectContaining({ code: "invalid_argument", field }));
  });

  test.each(["handle", "handleBatch"] as const)(
    "does what %s says with the events of a request at once",
    async (kind) => {
      const seen: number[] = [];
      const handleBatch: InboxOptions["handleBatch"] = async (tx, events) => {
        seen.push(events.length);
        for (const event of events) await handle(tx, event);
      };
      const own = kind === "handle" ? {} : { handle: undefined, handleBatch };
      await using host = await openTestHost(open({ ...own, maxTransactions: 1, maxBatch: 4 }));
      const events = Array.from({ length: 10 }, (_, at) => testEvent(`${kind}-${at}`));
      expect((await push(host.url, "batch", events)).status).toBe(204);
      expect(
        new Set((await readEffects(database, `${kind}-`)).map((effect) => effect.transaction)).size,
      ).toBe(3);
      if (kind === "handleBatch") expect(seen).toEqual([4, 4, 2]);
    },
  );

  test("whose batch handler throws asks it for each event alone", async () => {
    const seen: string[] = [];
    const handleBatch: InboxOptions["handleBatch"] = async (tx, events) => {
      seen.push(events.map(({ id }) => id.slice(-1)).join(""));
      for (const event of events) await handle(tx, event);
    };
    await using host = await openTestHost(open({ handle: undefined, handleBatch, maxTransactions: 1 }));
    const events = ["a", "b", "c"].map((id) =>
      testEvent(`each-${id}`, id === "b" ? { type: "test.v1.Failing" } : {}),
    );
    const answer = await push(host.url, "batch", events);
    expect(await answer.json()).toMatchObject({
      batchItemFailures: [{ itemIdentifier: "each-b", status: 422 }],
    });
    expect(seen).toEqual(["abc", "a", "b", "c"]);
    expect(await readEffects(database, "each-")).toHaveLength(2);
  });

  test("may have a table of any name, beside others of its schema", async () => {
    for (const table of ["mine.inbox", "mine.Second"]) {
      for (const sql of [...inboxTableSql(table), ...inboxTableSql(table)]) await database.query(sql);
      await using host = await openTestHost(open({ table }));
      const event = testEvent(`table-${table}`);
      for (let time = 0; time < 2; time++)
        await push(host.url, "structured", [event], { webhookId: "table" });
      expect(await readEffects(database, `table-${table}`)).toHaveLength(1);
    }
    const indexes = await database.query("select from pg_indexes where schemaname = 'mine'");
    expect(indexes).toHaveLength(4);
  });
});
