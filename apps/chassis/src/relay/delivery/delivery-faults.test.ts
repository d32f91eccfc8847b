import { afterAll, beforeAll, expect, test } from "vitest";
import { ContentMode } from "../../gen/quartet/v1/options_pb.ts";
import { AttemptLog } from "../../gen/quartet/v1/subscription_pb.ts";
import { replaySubscription } from "../subscription/replay-subscription.ts";
import type { DeliveryPoint } from "./runner-parts.ts";
import { openTestDelivery, quickRetries, type TestDelivery } from "./test-delivery.ts";
import { openTestSubscriber } from "./test-subscriber.ts";

let delivery: TestDelivery;

beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

test.each<DeliveryPoint>(["pushed", "parked", "settled", "checkpoint"])(
  "a crash at '%s' loses nothing, and keeps the order of keys",
  async (crashPoint) => {
    const failing = new Set<string>();
    await using subscriber = await openTestSubscriber((id, earlier) =>
      failing.has(id) && earlier < 2 ? 500 : 204,
    );
    const subscription = await delivery.subscribe(subscriber.url);
    const ids = await delivery.append(60, 5);
    for (const key of ids.values()) failing.add(key[2] ?? "").add(key[7] ?? "");
    const onPoint = (point: DeliveryPoint) => {
      if (point === crashPoint) throw new Error("crash");
    };
    await using crashed = delivery.run(subscription, { onPoint });
    await expect(crashed.ended).rejects.toThrow("crash");
    await using _run = delivery.run(subscription);
    await delivery.caughtUp(subscription);
    for (const [key, expected] of ids) expect([...new Set(subscriber.acknowledged(key))]).toEqual(expected);
  },
);

test("a runner whose lease another one has taken stores nothing more and ends quietly", async () => {
  const gate = Promise.withResolvers<void>();
  await using subscriber = await openTestSubscriber(async (_id, earlier) => {
    if (earlier === 0) await gate.promise;
    return 500;
  });
  const subscription = await delivery.subscribe(subscriber.url);
  await delivery.append(3, 3);
  await using stale = delivery.run(subscription, { epoch: 2n * 10n ** 15n });
  await expect.poll(() => subscriber.pushes.length + 3).toBeGreaterThan(2);
  const { database } = delivery;
  await database.query(
    "update quartet.delivery_cursor set lease_epoch = 2000000000000001 where subscription = $1",
    [subscription.name],
  );
  gate.resolve();
  await stale.ended;
  const parked = await database.query("select from quartet.delivery_parked where subscription = $1", [
    subscription.name,
  ]);
  expect(parked).toEqual([]);
  await using older = delivery.run(subscription, { epoch: 10n ** 15n });
  await older.ended;
});

test("a subscription that is deleted while it is delivered ends quietly", async () => {
  await using subscriber = await openTestSubscriber(() => 500);
  const subscription = await delivery.subscribe(subscriber.url);
  await delivery.append(10, 10);
  await using run = delivery.run(subscription);
  await expect.poll(() => subscriber.pushes.length).toBeGreaterThan(3);
  await delivery.database.query("delete from quartet.delivery_cursor where subscription = $1", [
    subscription.name,
  ]);
  await run.ended;
});

test("410 pauses the subscription with the reason, and nothing is lost", async () => {
  await using subscriber = await openTestSubscriber(() => 410);
  const subscription = await delivery.subscribe(subscriber.url);
  const cursor = await delivery.cursorOf(subscription.name);
  await delivery.append(10, 2);
  await using run = delivery.run(subscription);
  const row = () =>
    delivery.database.query<{ paused: boolean; pause_reason: string }>(
      "select paused, pause_reason from quartet.subscription where name = $1",
      [subscription.name],
    );
  await expect.poll(async () => (await row())[0]?.paused).toBe(true);
  expect((await row())[0]?.pause_reason).toContain("410");
  run.stop();
  await run.ended;
  expect(await delivery.cursorOf(subscription.name)).toBe(cursor);
});

test("a database that is away for a while loses nothing: what is known is stored when it is back", async () => {
  await using subscriber = await openTestSubscriber((_id, earlier) => (earlier < 1 ? 500 : 204));
  const subscription = await delivery.subscribe(subscriber.url);
  const ids = await delivery.append(200, 9);
  await using _run = delivery.run(subscription);
  for (let round = 0; round < 5; round++) {
    await expect.poll(() => subscriber.pushes.length).toBeGreaterThan(round * 30);
    await delivery.database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'quartet test' and datname = $1",
      [delivery.database.name],
    );
  }
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) expect([...new Set(subscriber.acknowledged(key))]).toEqual(expected);
});

test("an event at which the endpoint hangs is parked when others are answered meanwhile, and they go on", async () => {
  let hanging = "";
  const never = new Promise<number>(() => undefined);
  await using subscriber = await openTestSubscriber((id) => (id === hanging ? never : 204));
  const subscription = await delivery.subscribe(subscriber.url, {
    delivery: { ...quickRetries, retry: 1, timeout: { seconds: 0n, nanos: 300_000_000 } },
    concurrency: 4,
  });
  const ids = await delivery.append(200, 20);
  hanging = ids.get("key-7")?.[1] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) {
    expect(subscriber.acknowledged(key)).toEqual(expected.filter((id) => id !== hanging));
  }
});

test("thousands of parked keys cost the others nothing: all of those end first", async () => {
  let works = false;
  const failing = new Set<string>();
  await using subscriber = await openTestSubscriber((id) => (failing.has(id) && !works ? 500 : 204));
  const subscription = await delivery.subscribe(subscriber.url, {
    mode: ContentMode.BATCH,
    delivery: { retry: 1_000, backoffDelay: { seconds: 30n } },
  });
  const bad = await delivery.append(6_000, 5_000);
  for (const [first = ""] of bad.values()) failing.add(first);
  await using run = delivery.run(subscription);
  const good = await delivery.appendEvents(
    Array.from({ length: 1_000 }, (_, n) => ({ key: `good-${n % 50}` })),
  );
  const head = (await delivery.log.readHead()).seq;
  await expect.poll(() => delivery.cursorOf(subscription.name), { timeout: 20_000 }).toBe(head);
  const [count] = await delivery.database.query<{ heads: bigint; rows: bigint }>(
    "select count(*) filter (where head) as heads, count(*) as rows from quartet.delivery_parked where subscription = $1",
    [subscription.name],
  );
  expect(count).toEqual({ heads: 5_000n, rows: 6_000n });
  const goodIds = new Set(good);
  expect(subscriber.pushes.filter(({ eventId }) => goodIds.has(eventId))).toHaveLength(1_000);
  run.stop();
  await run.ended;
  works = true;
  await delivery.database.query("update quartet.delivery_parked set due_at = now() where subscription = $1", [
    subscription.name,
  ]);
  await using _again = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of bad) expect(subscriber.acknowledged(key)).toEqual(expected);
}, 60_000);

test("what Retry-After asks for is honoured: other events go meanwhile", async () => {
  let asked = "";
  await using subscriber = await openTestSubscriber((id, earlier) =>
    id === asked && earlier === 0 ? { status: 500, headers: { "retry-after": "1" } } : 204,
  );
  const subscription = await delivery.subscribe(subscriber.url);
  const ids = await delivery.append(200, 100);
  asked = ids.get("key-0")?.[0] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  const acknowledged = subscriber.pushes.filter(({ status }) => status < 300);
  const key = ids.get("key-0");
  expect(acknowledged.slice(-2).map(({ eventId }) => eventId)).toEqual(key);
});

test("a rate bounds how many events go in a time", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const subscription = await delivery.subscribe(subscriber.url, { rate: 100 });
  await delivery.append(120, 60);
  await using _run = delivery.run(subscription);
  const startMs = performance.now();
  await delivery.caughtUp(subscription);
  const perSecond = (120 / (performance.now() - startMs)) * 1_000;
  expect(perSecond).toBeLessThan(130);
});

test("every attempt is recorded where that is asked for, and failures are always", async () => {
  await using subscriber = await openTestSubscriber((_id, earlier) => (earlier === 0 ? 500 : 204));
  const failures = await delivery.subscribe(subscriber.url);
  const all = await delivery.subscribe(subscriber.url, { attemptLog: AttemptLog.ALL });
  await delivery.append(1, 1);
  const attempts = (name: string) =>
    delivery.database.query<{ attempt: number; status: number }>(
      "select attempt, status from quartet.delivery_attempt where subscription = $1 order by attempt",
      [name],
    );
  {
    await using _run = delivery.run(failures);
    await delivery.caughtUp(failures);
    expect(await attempts(failures.name)).toEqual([{ attempt: 1, status: 500 }]);
  }
  await using _run = delivery.run(all);
  await delivery.caughtUp(all);
  expect(await attempts(all.name)).toEqual([{ attempt: 1, status: 204 }]);
});

test("a replay delivers its part of the log under the name of what it replays, and is gone then", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const subscription = await delivery.subscribe(subscriber.url);
  const from = (await delivery.log.readHead()).seq;
  const ids = await delivery.append(30, 3);
  const replay = await replaySubscription(delivery.database.pool, delivery.log, subscription.name, {
    start: { kind: "sequence", sequence: from + 1n },
  });
  await delivery.append(5, 1);
  await using run = delivery.run(replay);
  await run.ended;
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
  expect(subscriber.pushes).toHaveLength(30);
  const { extensions } = subscriber.pushes[0]?.event ?? { extensions: {} };
  expect(extensions).toMatchObject({ quartetsubscription: subscription.name, quartetreplay: "1" });
  expect(await delivery.cursorOf(replay.name)).toBe(-1n);
});
