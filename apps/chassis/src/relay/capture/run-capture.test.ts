import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { testDomain } from "../../apply/test-domain.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { appendEvents } from "../../outbox/append-events.ts";
import { createEventId } from "../../outbox/event-id.ts";
import { createPostgresLog } from "../log/postgres-log.ts";
import { type OutboxSource, runCapture } from "./run-capture.ts";

let database: TestDatabase;
let source: OutboxSource;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(testDomain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
  source = { name: "main", url: database.url(), slot: "quartet_test_main" };
});
afterAll(() => database[Symbol.asyncDispose]());

test("what was published before the slot existed is repaired from the table", async () => {
  const before = await publish(30);
  await using capture = start();
  await capture.has(before);
  await capture.has(await publish(5));
});

test("a slot that was dropped while nobody captured loses nothing", async () => {
  const capture = start();
  await capture.has(await publish(3));
  await capture[Symbol.asyncDispose]();
  const missed = await publish(40);
  await database.query("select pg_drop_replication_slot('quartet_test_main')");
  const later = await publish(2);
  await using again = start();
  await again.has([...missed, ...later]);
});

test("events keep commit order through crashes of the connection, each in the log once", async () => {
  await using capture = start();
  const ids: string[] = [];
  for (let round = 0; round < 15; round++) {
    ids.push(...(await publish(10)));
    await database.query("select pg_terminate_backend(active_pid) from pg_replication_slots where active");
  }
  await capture.has(ids);
  const logged = await database.query<{ event_id: string }>(
    "select event_id from quartet.log where event_id = any($1::uuid[]) order by seq",
    [ids],
  );
  expect(logged.map((row) => row.event_id)).toEqual(ids);
});

interface Capture extends AsyncDisposable {
  /** Resolves when all of these are in the log. */
  has(ids: readonly string[]): Promise<void>;
}

function start(): Capture {
  const controller = new AbortController();
  const log = createPostgresLog(database.pool);
  const running = runCapture(source, log, pino({ level: "silent" }), controller.signal);
  return {
    has: (ids) =>
      expect
        .poll(async () => (await log.readKnown(ids)).size, { timeout: 20_000, interval: 20 })
        .toBe(ids.length),
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await running;
    },
  };
}

/** Publishes events, each in a transaction of its own. Returns their ids in commit order. */
async function publish(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => createEventId());
  for (const id of ids) {
    await appendEvents(database.pool, [
      {
        id,
        aggregateType: "test",
        aggregateId: "a",
        type: "test.v1.Happened",
        payload: "{}",
        causationId: undefined,
        correlationId: undefined,
        traceparent: undefined,
      },
    ]);
  }
  return ids;
}
