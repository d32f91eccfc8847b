import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { applySchema } from "../../apply/apply-schema.ts";
import { testDomain } from "../../apply/test-domain.ts";
import { pollUntil } from "../../cluster/postgres/poll-until.ts";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import { ClassUpstreams } from "../../edge/upstream/class-upstreams.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { createEventId } from "../../outbox/event-id.ts";
import type { Domain } from "../../service/domain.ts";
import { parseSecret } from "../../wire/webhook/webhook-signature.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import { createPostgresLog } from "../log/postgres-log.ts";
import { resolveTarget } from "../push/push-event.ts";
import { readCursor } from "./cursor.ts";
import { SubscriptionRunner } from "./subscription-runner.ts";
import { openTestSubscriber } from "./test-subscriber.ts";

let database: TestDatabase;
const domain: Domain = testDomain;
let count = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  await applySchema(domain, { databaseUrl: database.url(), eventsDatabaseUrl: database.url() });
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.query("truncate quartet.parked, quartet.dead_letter, quartet.cursor"));

test("delivers every event once, in order per key, and moves the cursor to the head", async () => {
  const ids = await append(300, 7);
  await using subscriber = await openTestSubscriber(() => 204);
  await using running = await run(subscriber.url);
  await running.caughtUp();
  expect(subscriber.pushes.map((push) => push.eventId).sort()).toEqual([...ids.values()].flat().sort());
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
});

test("an event that fails parks its key alone, in order, and the key drains when it works again", async () => {
  const ids = await append(60, 6);
  const failing = ids.get("key-2")?.[3] ?? "";
  await using subscriber = await openTestSubscriber((id, earlier) =>
    id === failing && earlier < 3 ? 500 : 204,
  );
  await using running = await run(subscriber.url);
  await running.caughtUp();
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
  const healthy = subscriber.pushes.findIndex((push) => push.eventId === failing && push.status === 204);
  const others = subscriber.pushes.slice(0, healthy).filter((push) => push.key !== "key-2");
  expect(others).toHaveLength(50);
  expect(await database.query("select from quartet.dead_letter")).toHaveLength(0);
});

test("an event that is refused is a dead letter at once, with all that is known, and its key goes on", async () => {
  const ids = await append(20, 2);
  const refused = ids.get("key-1")?.[4] ?? "";
  await using subscriber = await openTestSubscriber((id) => (id === refused ? 400 : 204));
  await using running = await run(subscriber.url);
  await running.caughtUp();
  expect(subscriber.acknowledged("key-1")).toEqual(ids.get("key-1")?.filter((id) => id !== refused));
  const letters = await database.query(
    "select event_id, attempts, last_status, destination from quartet.dead_letter",
  );
  expect(letters).toEqual([
    { event_id: refused, attempts: 1, last_status: 400, destination: `${subscriber.url}/` },
  ]);
});

test("an event that fails until its attempts are spent becomes a dead letter, and those behind it go on", async () => {
  const ids = await append(10, 1);
  const doomed = ids.get("key-0")?.[2] ?? "";
  await using subscriber = await openTestSubscriber((id) => (id === doomed ? 500 : 204));
  await using running = await run(subscriber.url, { retry: 3 });
  await running.caughtUp();
  expect(subscriber.acknowledged("key-0")).toEqual(ids.get("key-0")?.filter((id) => id !== doomed));
  expect(subscriber.pushes.filter((push) => push.eventId === doomed)).toHaveLength(4);
  const letters = await database.query("select event_id, attempts from quartet.dead_letter");
  expect(letters).toEqual([{ event_id: doomed, attempts: 4 }]);
});

test("one event that is always answered with 503 does not halt the others for ever", async () => {
  const ids = await append(60, 30);
  const poison = ids.get("key-3")?.[0] ?? "";
  await using subscriber = await openTestSubscriber((id) => (id === poison ? 503 : 204));
  await using running = await run(subscriber.url, { retry: 1, concurrency: 1 });
  await running.caughtUp();
  for (const [key, expected] of ids) {
    expect(subscriber.acknowledged(key)).toEqual(expected.filter((id) => id !== poison));
  }
  const letters = await database.query("select event_id, last_status from quartet.dead_letter");
  expect(letters).toEqual([{ event_id: poison, last_status: 503 }]);
});

test("an answer without an end costs the relay neither memory nor order", async () => {
  const ids = await append(6, 1);
  await using subscriber = await openTestSubscriber((_id, earlier) => (earlier === 0 ? 500 : 204), {
    body: "\ud83d\ude00".repeat(1_000_000),
  });
  await using running = await run(subscriber.url);
  await running.caughtUp();
  expect(subscriber.acknowledged("key-0")).toEqual(ids.get("key-0"));
});

test("an endpoint that is away halts the subscription, and nothing is parked, dead or lost", async () => {
  const closed = await openTestSubscriber(() => 204);
  const port = Number(new URL(closed.url).port);
  await closed[Symbol.asyncDispose]();
  const ids = await append(40, 4);
  await using running = await run(closed.url);
  await expect.poll(() => running.lines.some((line) => line.includes("endpoint is away"))).toBe(true);
  await using subscriber = await openTestSubscriber(() => 204, { port });
  await running.caughtUp();
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
  expect(await database.query("select from quartet.dead_letter")).toHaveLength(0);
});

test("a runner that stops and starts goes on where it was: nothing is missing", async () => {
  const ids = await append(200, 5);
  await using subscriber = await openTestSubscriber(() => 204);
  for (let round = 0; round < 4; round++) {
    await using running = await run(subscriber.url);
    await expect.poll(() => subscriber.pushes.length).toBeGreaterThan(round * 20);
    await running[Symbol.asyncDispose]();
  }
  await using running = await run(subscriber.url);
  await running.caughtUp();
  for (const [key, expected] of ids) expect([...new Set(subscriber.acknowledged(key))]).toEqual(expected);
});

interface Running extends AsyncDisposable {
  readonly lines: readonly string[];
  /** Resolves when the cursor is at the head and nothing is parked. */
  caughtUp(): Promise<void>;
}

async function run(
  endpoint: string,
  { concurrency = 4, retry = 0 }: { readonly retry?: number; readonly concurrency?: number } = {},
): Promise<Running> {
  const subscription: Subscription = create(SubscriptionSchema, {
    name: "test",
    endpoint,
    types: ["test.v1.Happened"],
    concurrency,
    delivery: { retry, backoffDelay: durationFromMs(5) },
  });
  const { pool } = database;
  const log = createPostgresLog(pool);
  await pool.query(
    "insert into quartet.cursor select 'test', coalesce(min(seq), 1) - 1 from quartet.log where type = 'test.v1.Happened' and seq > $1 on conflict do nothing",
    [testStart],
  );
  const lines: string[] = [];
  const logger = pino({ level: "info" }, { write: (line) => void lines.push(line) });
  const upstreams = new ClassUpstreams({ crud: [], micro: [], nano: [], lambda: [] });
  const push = {
    domainName: "test",
    secrets: [parseSecret(`whsec_${Buffer.alloc(32, 1).toString("base64")}`)],
  };
  const target = resolveTarget(endpoint, upstreams);
  const controller = new AbortController();
  const runner = new SubscriptionRunner({ pool, log, domain, push, logger }, subscription, target);
  const running = runner.run(controller.signal);
  return {
    lines,
    caughtUp: async () => {
      const caughtUp = await pollUntil(
        async () => {
          const [cursor, head] = [await readCursor(pool, "test"), await log.readHead()];
          const parked = await database.query("select from quartet.parked");
          return cursor === head && parked.length === 0 ? true : undefined;
        },
        { timeoutMs: 20_000, intervalMs: 20 },
      );
      expect(caughtUp).toBe(true);
    },
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await running;
      await target.pool[Symbol.asyncDispose]();
      await upstreams[Symbol.asyncDispose]();
    },
  };
}

let testStart = 0n;

/** Appends events of several keys in turn. Returns their ids, in order, by key. */
async function append(events: number, keys: number): Promise<ReadonlyMap<string, readonly string[]>> {
  const log = createPostgresLog(database.pool);
  testStart = await log.readHead();
  const made = Array.from({ length: events }, (_, index) => eventOf(`key-${index % keys}`));
  await log.append(made);
  const byKey = new Map<string, string[]>();
  for (const event of made) byKey.set(event.key, [...(byKey.get(event.key) ?? []), event.eventId]);
  return byKey;
}

function eventOf(key: string): CapturedEvent {
  count += 1;
  return {
    source: "main",
    eventId: createEventId(),
    type: "test.v1.Happened",
    key,
    payload: JSON.stringify({ count }),
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date(),
    position: undefined,
  };
}
