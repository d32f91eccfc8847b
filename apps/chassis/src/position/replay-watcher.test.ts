import { once } from "node:events";
import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pollUntil } from "../cluster/postgres/poll-until.ts";
import { openTestServer, type TestDatabase, type TestServer } from "../cluster/postgres/test-database.ts";
import type { QuartetError } from "../error/quartet-error.ts";
import { parsePosition } from "./position.ts";
import { ReplayWatcher } from "./replay-watcher.ts";
import { readReplicaLag } from "./replica-lag.ts";
import { committedPlaceStatement, readCommittedPlace, takePosition } from "./take-position.ts";

let server: TestServer;
let database: TestDatabase;
let replica: Pool;

beforeAll(async () => {
  server = await openTestServer("full");
  database = await server.openDatabase();
  await database.query("create table written (id int)");
  const url = server.postgres.replica?.url(database.name);
  if (url === undefined) throw new Error("the topology has no replica");
  replica = database.openPool(undefined, { url });
  replica.setMaxListeners(0); // a watcher of each test listens, where a process has one
  const there = () =>
    replica.query("select from written").then(
      () => true,
      () => undefined,
    );
  expect(await pollUntil(there, { timeoutMs: 10_000, intervalMs: 20 })).toBe(true);
});
afterAll(() => server[Symbol.asyncDispose]());

const never = new AbortController().signal;

async function write(): Promise<string> {
  await database.pool.query("insert into written values (1)");
  return takePosition(database.pool);
}

/** How many queries per second of a watcher's kind a pool gets is told by counting them. */
function counting(pool: Pool): { readonly pool: Pool; readonly count: () => number } {
  let count = 0;
  const query = (...args: unknown[]) => {
    count++;
    return (pool.query as (...all: unknown[]) => unknown)(...args);
  };
  return { pool: Object.assign(Object.create(pool) as Pool, { query }), count: () => count };
}

describe("ReplayWatcher.runs", () => {
  test("stay the same when the server refuses statements, and grow when no connection is left", async () => {
    const url = server.postgres.replica?.url(database.name);
    const pool = database.openPool(undefined, { url: url ?? "", maxConnections: 2 });
    const watcher = new ReplayWatcher(pool);
    const refuse = async () => {
      const removed = once(pool, "remove");
      await expect(pool.query("select 1 / 0")).rejects.toThrow("division by zero");
      await removed;
    };
    const held = await pool.connect();
    await watcher.settle();
    for (let time = 0; time < 3; time++) await refuse();
    expect([watcher.runs, pool.totalCount]).toEqual([0, 1]);
    const lost = once(pool, "remove");
    held.release(true);
    await lost;
    expect(watcher.runs).toBe(1);
    await refuse();
    expect(watcher.runs).toBe(2);
  });
});

describe("takePosition", () => {
  test("grows after a commit, and names the system and its timeline", async () => {
    const before = parsePosition(await takePosition(database.pool));
    const after = parsePosition(await write());
    expect(after.lsn).toBeGreaterThan(before.lsn);
    expect(after).toMatchObject({ systemId: before.systemId, timeline: 1 });
  });

  test("says of a primary what is read there in the round trip of a COMMIT", async () => {
    const before = parsePosition(await write());
    const result = await database.pool.query({ ...committedPlaceStatement });
    const place = parsePosition(readCommittedPlace(result, before.systemId));
    const after = parsePosition(await takePosition(database.pool));
    expect(place).toMatchObject({ systemId: before.systemId, timeline: before.timeline });
    expect(place.lsn).toBeGreaterThanOrEqual(before.lsn);
    expect(place.lsn).toBeLessThanOrEqual(after.lsn);
    // A replica has committed nothing.
    await expect(replica.query({ ...committedPlaceStatement })).rejects.toThrow("recovery is in progress");
  });

  test("on a replica is of the same system and timeline, at what is replayed", async () => {
    const onReplica = parsePosition(await takePosition(replica));
    const onPrimary = parsePosition(await takePosition(database.pool));
    expect(onReplica).toMatchObject({ systemId: onPrimary.systemId, timeline: onPrimary.timeline });
    expect(onReplica.lsn).toBeLessThanOrEqual(onPrimary.lsn);
  });

  test("on another server is of another system", async () => {
    const url = server.postgres.events?.url("postgres");
    const other = database.openPool(undefined, url === undefined ? {} : { url });
    const { systemId } = parsePosition(await takePosition(other));
    expect(systemId).not.toBe(parsePosition(await takePosition(database.pool)).systemId);
  });
});

describe("ReplayWatcher", () => {
  test("resolves once the replica shows the write, every time", async () => {
    const watcher = new ReplayWatcher(replica);
    for (let round = 0; round < 50; round++) {
      const [before] = (await database.pool.query<{ n: number }>("select count(*)::int as n from written"))
        .rows;
      await watcher.wait(parsePosition(await write()), 5_000, never);
      const [seen] = (await replica.query<{ n: number }>("select count(*)::int as n from written")).rows;
      expect(seen?.n).toBe((before?.n ?? 0) + 1);
    }
  });

  test("on the primary resolves at once", async () => {
    await new ReplayWatcher(database.pool).wait(parsePosition(await write()), 1_000, never);
  });

  test("is stale within its limit while replay is paused, and resolves after", async () => {
    const watcher = new ReplayWatcher(replica);
    await replica.query("select pg_wal_replay_pause()");
    try {
      const position = parsePosition(await write());
      const start = performance.now();
      await expect(watcher.wait(position, 100, never)).rejects.toMatchObject({
        code: "stale",
        retryAfterSeconds: 1,
      });
      expect(performance.now() - start).toBeLessThan(1_000);
      const waiting = watcher.wait(position, 5_000, never);
      await replica.query("select pg_wal_replay_resume()");
      await waiting;
    } finally {
      await replica.query("select pg_wal_replay_resume()");
    }
  });

  test("asks once per tick for 1,000 waiters, and not at all when nobody waits", async () => {
    const { pool, count } = counting(replica);
    const watcher = new ReplayWatcher(pool);
    await replica.query("select pg_wal_replay_pause()");
    const position = parsePosition(await write());
    const waits = Array.from({ length: 1_000 }, () =>
      watcher.wait(position, 200, never).catch((error: QuartetError) => error.code),
    );
    expect(new Set(await Promise.all(waits))).toEqual(new Set(["stale"]));
    await replica.query("select pg_wal_replay_resume()");
    const asked = count();
    expect(asked).toBeLessThan(80);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(count() - asked).toBeLessThanOrEqual(1);
  });

  test("gives up a wait that the replay's pace says to be in vain, and tells where the replica is", async () => {
    const watcher = new ReplayWatcher(replica);
    await replica.query("select pg_wal_replay_pause()");
    try {
      const position = parsePosition(await write());
      const began = performance.now();
      const error: QuartetError = await watcher.wait(position, 4_000, never).catch((thrown) => thrown);
      expect(performance.now() - began).toBeLessThan(3_500);
      expect(error.code).toBe("stale");
      expect(parsePosition(error.position ?? "").lsn).toBeLessThan(position.lsn);
    } finally {
      await replica.query("select pg_wal_replay_resume()");
    }
  });

  test("locates the replica after whatever was read before, with few queries for many who ask at once", async () => {
    const { pool, count } = counting(replica);
    const watcher = new ReplayWatcher(pool);
    const written = parsePosition(await write());
    await watcher.wait(written, 5_000, never);
    const before = count();
    const places = await Promise.all(Array.from({ length: 500 }, () => watcher.locate()));
    expect(count() - before).toBeLessThanOrEqual(3);
    for (const place of places) expect(parsePosition(place).lsn).toBeGreaterThanOrEqual(written.lsn);
  });

  test("lets go on who waits for what no replica of this database will ever have", async () => {
    const lost = { ...parsePosition(await write()), timeline: 0 };
    const watcher = new ReplayWatcher(replica);
    await watcher.waitIfPossible(lost, 30_000, never);
    await expect(watcher.wait(lost, 30_000, never)).rejects.toMatchObject({ code: "stale" });
  });

  test("waits for a timeline that is not there yet, though the location is", async () => {
    const next = { ...parsePosition(await write()), timeline: 2, lsn: 1n };
    await expect(new ReplayWatcher(replica).wait(next, 100, never)).rejects.toMatchObject({ code: "stale" });
  });

  test.each([
    ["no time", 0],
    ["a deadline that has passed", -5],
    ["half a millisecond", 0.5],
  ])("with %s is stale, not an error of its own", async (_, timeoutMs) => {
    const future = { ...parsePosition(await write()), lsn: 2n ** 63n };
    await expect(new ReplayWatcher(replica).wait(future, timeoutMs, never)).rejects.toMatchObject({
      code: "stale",
    });
  });

  test("stops waiting when the caller does", async () => {
    const future = { ...parsePosition(await write()), lsn: 2n ** 63n };
    const controller = new AbortController();
    const waiting = new ReplayWatcher(replica).wait(future, 30_000, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "stale" });
  });

  test("refuses a position of another system at once", async () => {
    const foreign = { ...parsePosition(await write()), systemId: "1" };
    await expect(new ReplayWatcher(replica).wait(foreign, 30_000, never)).rejects.toThrow(
      "another database system",
    );
  });

  test("is stale within its limit when the replica cannot be asked any more", async () => {
    const url = server.postgres.replica?.url(database.name) ?? "";
    const pool = database.openPool(undefined, { url, maxConnections: 1 });
    const watcher = new ReplayWatcher(pool);
    await watcher.wait(parsePosition(await write()), 5_000, never);
    await using stack = new AsyncDisposableStack();
    const held = await pool.connect();
    stack.defer(() => held.release());
    const future = { ...parsePosition(await write()), lsn: 2n ** 63n };
    await expect(watcher.wait(future, 50, never)).rejects.toMatchObject({ code: "stale" });
  });
});

describe("readReplicaLag", () => {
  test("tells how far a replica is behind, and nothing of a primary", async () => {
    expect(await readReplicaLag(database.pool)).toBeUndefined();
    const lag = async () => (await readReplicaLag(replica)) ?? { streaming: false };
    await write();
    await expect.poll(lag).toEqual({ streaming: true, seconds: 0, bytes: 0 });
    await replica.query("select pg_wal_replay_pause()");
    try {
      await write();
      await expect.poll(async () => (await readReplicaLag(replica))?.bytes).toBeGreaterThan(0);
      expect((await readReplicaLag(replica))?.seconds).toBeGreaterThan(0);
    } finally {
      await replica.query("select pg_wal_replay_resume()");
    }
    await expect.poll(lag).toMatchObject({ seconds: 0 });
  });
});
