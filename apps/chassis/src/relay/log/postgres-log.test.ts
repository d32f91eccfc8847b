import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { createEventId } from "../../outbox/event-id.ts";
import type { EventLog } from "./event-log.ts";
import { logSql } from "./log-ddl.ts";
import type { CapturedEvent } from "./log-event.ts";
import { createPostgresLog } from "./postgres-log.ts";

let database: TestDatabase;
let log: EventLog;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create schema quartet");
  for (const sql of logSql) await database.query(sql);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.query("truncate quartet.log, quartet.capture");
  await database.query("update quartet.log_head set seq = 0");
  log = createPostgresLog(database.pool);
});

test("events that were appended before keep their first place, and the sequence stays dense", async () => {
  const [a, b, c] = [eventOf("a"), eventOf("b"), eventOf("c")];
  await log.append([a, b]);
  await log.append([a, b]);
  await log.append([b, c, c]);
  expect((await readAll()).map(({ seq, key }) => [seq, key])).toEqual([
    [1n, "a"],
    [2n, "b"],
    [3n, "c"],
  ]);
});

test("a source needs a repair until one has ended, and again from when one began", async () => {
  expect(await log.needsRepair("main", "1")).toBe(true);
  await log.endRepair("main", "1");
  expect(await log.needsRepair("main", "1")).toBe(false);
  await log.beginRepair("main");
  expect(await log.needsRepair("main", "1")).toBe(true);
});

test("another database system under the same name needs a repair", async () => {
  await log.endRepair("main", "1");
  expect(await log.needsRepair("main", "2")).toBe(true);
});

test("sequences are dense and become visible in order under concurrent appends", async () => {
  const seen: bigint[] = [];
  let done = false;
  const reader = (async () => {
    let after = 0n;
    while (!done || after < (await log.readHead())) {
      const page = await log.read({ after, types: [], limit: 50 });
      seen.push(...page.events.map((event) => event.seq));
      after = page.scannedTo;
    }
  })();
  const appends = Array.from({ length: 40 }, () => log.append(Array.from({ length: 5 }, () => eventOf("a"))));
  await Promise.all(appends);
  done = true;
  await reader;
  expect(seen).toEqual(Array.from({ length: 200 }, (_, index) => BigInt(index + 1)));
});

test("a read by type tells how far it looked", async () => {
  const events = [eventOf("a"), { ...eventOf("b"), type: "test.v1.Other" }, eventOf("c"), eventOf("d")];
  await log.append(events);
  const first = await log.read({ after: 0n, types: ["test.v1.Other"], limit: 10 });
  expect([first.events.map((event) => event.key), first.scannedTo]).toEqual([["b"], 4n]);
  const page = await log.read({ after: 0n, types: ["test.v1.Happened"], limit: 2 });
  expect([page.events.map((event) => event.key), page.scannedTo]).toEqual([["a", "c"], 3n]);
});

async function readAll() {
  return (await log.read({ after: 0n, types: [], limit: 1_000 })).events;
}

function eventOf(key: string): CapturedEvent {
  return {
    source: "main",
    eventId: createEventId(),
    type: "test.v1.Happened",
    key,
    payload: "{}",
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date(),
    position: undefined,
  };
}
