import { Pool } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestDatabase, type TestDatabase } from "../cluster/postgres/test-database.ts";
import { socketOf } from "../sql/client-socket.ts";
import { createInbox, type InboxHandler } from "./create-inbox.ts";
import type { InboxEvent } from "./inbox-event.ts";
import type { InboxOptions } from "./inbox-options.ts";
import { openCommitCutter } from "./test-commit-cutter.ts";
import { createEffects, insertEffect, openTestHost, readEffects } from "./test-inbox.ts";
import { push, testEvent, testSecret } from "./test-push.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await createEffects(database);
});
afterAll(() => database[Symbol.asyncDispose]());
afterEach(() => {
  expect(database.pool.totalCount - database.pool.idleCount, "connections not given back").toBe(0);
});

async function addEffect(
  tx: { query(text: string, values: unknown[]): Promise<unknown> },
  event: InboxEvent,
) {
  await tx.query(insertEffect, [event.id, event.key, event.attempt]);
}

function open(options: Partial<InboxOptions> = {}): InboxHandler {
  const settings = { pool: database.pool, secrets: [testSecret], onError: () => undefined };
  return createInbox({ ...settings, handle: addEffect, ...options } as InboxOptions);
}

/** A handler that stops at events of type `test.v1.Stopping` until it is let go. */
function openStop() {
  const stopped = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const handle: InboxOptions["handle"] = async (tx, event) => {
    await addEffect(tx, event);
    if (event.type !== "test.v1.Stopping") return;
    stopped.resolve();
    await released.promise;
  };
  return { handle, stopped: stopped.promise, release: () => released.resolve() };
}

const stopping = { type: "test.v1.Stopping" };

/** The listener, and what resolves when it has read so many requests and queued their events. */
function countRequests(inbox: InboxHandler) {
  let ended = 0;
  const listener: InboxHandler = (request, response) => {
    request.once("end", () => setImmediate(() => (ended += 1)));
    inbox(request, response);
  };
  const queued = (count: number) =>
    pollUntil(async () => ended >= count || undefined, { timeoutMs: 5_000, intervalMs: 2 });
  return { listener, queued };
}

const transactionsOf = async (prefix: string) =>
  (await readEffects(database, prefix)).map((effect) => effect.transaction);

describe("events that come while a transaction is under way", () => {
  test("share the next one, of whatever requests", async () => {
    const stop = openStop();
    const { listener, queued } = countRequests(open({ handle: stop.handle, maxTransactions: 1 }));
    await using host = await openTestHost(listener);
    const send = (id: string, more = {}) => push(host.url, "structured", [testEvent(`share-${id}`, more)]);
    const first = send("0", stopping);
    await stop.stopped;
    const others = ["1", "2", "3"].map((id) => send(id));
    await queued(4);
    stop.release();
    expect((await Promise.all([first, ...others])).map(({ status }) => status)).toEqual(Array(4).fill(204));
    const transactions = await transactionsOf("share-");
    expect(transactions).toHaveLength(4);
    expect(new Set(transactions).size).toBe(2);
  });

  test("share none with one that is pushed again", async () => {
    await using host = await openTestHost(open({ maxTransactions: 1 }));
    const attempts = ["1", "1", "2", "1", "1"];
    const events = attempts.map((quartetattempt, at) =>
      testEvent(`again-${at}`, { extensions: { quartetattempt } }),
    );
    await push(host.url, "batch", events);
    const [t0, t1, t2, t3, t4] = await transactionsOf("again-");
    expect([t1, t4]).toEqual([t0, t3]);
    expect(new Set([t0, t2, t3]).size).toBe(3);
    const again = { headers: { "quartet-attempt": "7" } };
    await push(host.url, "binary", [testEvent("again-binary")], again);
    expect(await readEffects(database, "again-binary")).toMatchObject([{ attempt: 7 }]);
  });

  test("are past what is held at once told to come later", async () => {
    const stop = openStop();
    const { listener, queued } = countRequests(open({ handle: stop.handle, maxWaitingBytes: 1_000 }));
    await using host = await openTestHost(listener);
    const first = push(host.url, "structured", [testEvent("held-1", stopping)]);
    await stop.stopped;
    const large = { data: Buffer.from(JSON.stringify("x".repeat(900))) };
    const refused = await push(host.url, "structured", [testEvent("held-2", large)]);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    stop.release();
    expect((await first).status).toBe(204);
    await queued(1);
    expect((await push(host.url, "structured", [testEvent("held-2", large)])).status).toBe(204);
  });
});

describe("a handler", () => {
  test("that does not end is given up with its connection, and what it does then goes nowhere", async () => {
    const late = Promise.withResolvers<void>();
    const tried = Promise.withResolvers<unknown>();
    const handle: InboxOptions["handle"] = async (tx, event) => {
      await addEffect(tx, event);
      if (event.type !== "test.v1.Stopping") return;
      await late.promise;
      await addEffect(tx, event).then(tried.resolve, tried.resolve);
    };
    await using host = await openTestHost(open({ handle, handlerTimeoutMs: 1_000, maxTransactions: 1 }));
    const answer = await push(host.url, "structured", [testEvent("late-1", stopping)]);
    expect([answer.status, await answer.json()]).toEqual([
      504,
      expect.objectContaining({ code: "deadline_exceeded" }),
    ]);
    expect((await push(host.url, "structured", [testEvent("late-2")])).status).toBe(204);
    late.resolve();
    expect(await tried.promise).toBeInstanceOf(Error);
    expect(await readEffects(database, "late-")).toMatchObject([{ event_id: "late-2" }]);
  });

  test.each([false, true])(
    "whose statement hangs loses its socket, on a pool with pipeline: %s",
    async (pipeline) => {
      const pool = new Pool({ connectionString: database.url(), max: 1, pipeline });
      pool.on("error", () => undefined);
      const holder = await database.connect();
      await holder.query("begin; lock table effect in access exclusive mode");
      let socket: ReturnType<typeof socketOf>;
      const handle: InboxOptions["handle"] = (tx, event) => {
        socket ??= socketOf(tx);
        return addEffect(tx, event);
      };
      const options = { pool, handle, sideBySide: pipeline, handlerTimeoutMs: 200, maxTransactions: 1 };
      await using host = await openTestHost(open(options as Partial<InboxOptions>));
      const hung = await push(host.url, "structured", [testEvent(`hung-${pipeline}`)]);
      expect([hung.status, socket?.destroyed]).toEqual([504, true]);
      await holder.query("rollback");
      const again = await push(host.url, "structured", [testEvent(`hung-${pipeline}`)]);
      expect(again.status).toBe(204);
      expect(await readEffects(database, `hung-${pipeline}`)).toHaveLength(1);
      await pool.end();
    },
  );

  test("that caught an error of the database has no effect, and spoils none", async () => {
    const handle: InboxOptions["handle"] = async (tx, event) => {
      await addEffect(tx, event);
      if (event.type === "test.v1.Stopping") await tx.query("select 1 / 0").catch(() => undefined);
    };
    await using host = await openTestHost(open({ handle, maxTransactions: 1 }));
    const events = [testEvent("caught-1"), testEvent("caught-2", stopping), testEvent("caught-3")];
    expect(await (await push(host.url, "batch", events)).json()).toMatchObject({
      batchItemFailures: [{ itemIdentifier: "caught-2", status: 500 }],
    });
    expect(await readEffects(database, "caught-")).toHaveLength(2);
  });

  test("goes on when its client has gone", async () => {
    const stop = openStop();
    await using host = await openTestHost(open({ handle: stop.handle }));
    const gone = new AbortController();
    const pushed = push(host.url, "structured", [testEvent("gone", stopping)], { signal: gone.signal });
    await stop.stopped;
    gone.abort();
    await expect(pushed).rejects.toThrow();
    stop.release();
    const done = async () => ((await readEffects(database, "gone")).length > 0 ? true : undefined);
    expect(await pollUntil(done, { timeoutMs: 5_000, intervalMs: 5 })).toBe(true);
  });

  test("that lost a deadlock is run again", async () => {
    await database.query("create table counter (id int primary key, value int not null)");
    await database.query("insert into counter values (1, 0), (2, 0)");
    const met = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let runs = 0;
    const handle: InboxOptions["handle"] = async (tx, event) => {
      runs += 1;
      const order = event.id.endsWith("1") ? [1, 2] : [2, 1];
      const add = "update counter set value = value + 1 where id = $1";
      await tx.query(add, [order[0]]);
      met[Number(event.id.endsWith("1"))]?.resolve();
      await Promise.all(met.map(({ promise }) => promise));
      await tx.query(add, [order[1]]);
    };
    await using host = await openTestHost(open({ handle, maxTransactions: 2 }));
    // Two keys, and so two transactions.
    const events = [testEvent("deadlock-1", {}, "a"), testEvent("deadlock-2", {}, "b")];
    expect((await push(host.url, "batch", events)).status).toBe(204);
    // PostgreSQL may give up both: each looks for the deadlock by itself.
    expect(runs).toBeGreaterThan(2);
    expect(await database.query("select value from counter")).toEqual([{ value: 2 }, { value: 2 }]);
  });
});

describe("a connection that is lost", () => {
  test.each([
    ["with the answer to a commit", "answer", 1],
    ["before a commit", "commit", 0],
  ] as const)("%s is a 503, and the event that comes again has its effect once", async (_, what, before) => {
    await using cutter = await openCommitCutter(database.url());
    const pool = new Pool({ connectionString: cutter.url, max: 2 });
    pool.on("error", () => undefined);
    const thrown: unknown[] = [];
    await using host = await openTestHost(open({ pool, onError: (error) => void thrown.push(error) }));
    const events = ["1", "2"].map((id) => testEvent(`cut-${what}-${id}`, {}, "key"));
    cutter.arm(what);
    const lost = await push(host.url, "batch", events);
    expect([lost.status, lost.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(thrown).toHaveLength(2);
    expect(await readEffects(database, `cut-${what}`)).toHaveLength(before * 2);
    expect((await push(host.url, "batch", events)).status).toBe(204);
    expect(await readEffects(database, `cut-${what}`)).toHaveLength(2);
    await pool.end();
  });

  test("for good is a 503 for each push, at once", async () => {
    const pool = new Pool({ connectionString: "postgresql://nobody@127.0.0.1:1/none", max: 2 });
    await using host = await openTestHost(open({ pool }));
    const answer = await push(host.url, "structured", [testEvent("away")]);
    expect([answer.status, await answer.json()]).toEqual([
      503,
      expect.objectContaining({ code: "unavailable" }),
    ]);
    await pool.end();
  });
});

test("10,000 pushes of 3,000 events in any order, over two processes' inboxes, have 3,000 effects", async () => {
  const refused = new Set<string>();
  const handle: InboxOptions["handle"] = async (tx, event) => {
    await addEffect(tx, event);
    // One in twenty fails when it is first tried.
    if (event.id.endsWith("7") && event.id.at(-2) === "1" && !refused.has(event.id)) {
      refused.add(event.id);
      throw new Error("not yet");
    }
  };
  await using stack = new AsyncDisposableStack();
  const urls = await Promise.all(
    [1, 2].map(async () => {
      const pool = database.openPool(undefined, { maxConnections: 4 });
      return stack.use(await openTestHost(open({ pool, handle }))).url;
    }),
  );
  const random = (below: number) => Math.floor(Math.random() * below);
  const eventOf = (at: number) => testEvent(`mass-${at}`, {}, `key ${at % 50}`);
  const sendSome = async (size: number) => {
    const events = Array.from({ length: size }, () => eventOf(random(3_000)));
    const answer = await push(urls[random(2)] ?? "", size === 1 ? "structured" : "batch", events);
    expect([200, 204, 500]).toContain(answer.status);
    await answer.arrayBuffer();
  };
  for (let round = 0; round < 50; round++) {
    await Promise.all(Array.from({ length: 25 }, (_, at) => sendSome(at < 18 ? 1 : 26)));
  }
  const rest = async () => {
    for (let from = 0; from < 3_000; from += 100) {
      await push(
        urls[0] ?? "",
        "batch",
        Array.from({ length: 100 }, (_, at) => eventOf(from + at)),
      );
    }
  };
  for (let time = 0; time < 2; time++) await rest();
  const [count] = await database.query(
    "select count(*)::int as effects, count(distinct event_id)::int as events from effect where starts_with(event_id, 'mass-')",
  );
  expect(count).toEqual({ effects: 3_000, events: 3_000 });
  expect(refused.size).toBeGreaterThan(0);
});
