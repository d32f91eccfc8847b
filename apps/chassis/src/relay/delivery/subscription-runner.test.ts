import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDelivery, quickRetries, type TestDelivery } from "./test-delivery.ts";
import { openTestSubscriber } from "./test-subscriber.ts";

let delivery: TestDelivery;

beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

async function lettersOf(name: string) {
  return delivery.database.query(
    "select event_id, attempts, last_status, destination from quartet.dead_letter where subscription = $1",
    [name],
  );
}

test("delivers every event once, in order per key, and moves the cursor to the head", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const subscription = await delivery.subscribe(subscriber.url);
  const ids = await delivery.append(300, 7);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  expect(subscriber.pushes.map((push) => push.eventId).sort()).toEqual([...ids.values()].flat().sort());
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
});

test("an event that is appended while nothing is to be done is pushed", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const subscription = await delivery.subscribe(subscriber.url);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  const ids = await delivery.append(1, 1);
  await expect.poll(() => subscriber.acknowledged("key-0")).toEqual(ids.get("key-0"));
});

test("an event that fails parks its key alone, in order, and the key drains when it works again", async () => {
  let failing = "";
  await using subscriber = await openTestSubscriber((id, earlier) =>
    id === failing && earlier < 3 ? 500 : 204,
  );
  const subscription = await delivery.subscribe(subscriber.url);
  const ids = await delivery.append(60, 6);
  failing = ids.get("key-2")?.[3] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
  expect(await lettersOf(subscription.name)).toEqual([]);
});

test("an event that is refused is a dead letter at once, with all that is known, and its key goes on", async () => {
  let refused = "";
  await using subscriber = await openTestSubscriber((id) => (id === refused ? 400 : 204));
  const subscription = await delivery.subscribe(subscriber.url);
  const ids = await delivery.append(20, 2);
  refused = ids.get("key-1")?.[4] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  expect(subscriber.acknowledged("key-1")).toEqual(ids.get("key-1")?.filter((id) => id !== refused));
  expect(await lettersOf(subscription.name)).toEqual([
    { event_id: refused, attempts: 1, last_status: 400, destination: `${subscriber.url}/` },
  ]);
});

test("an event that fails until its attempts are spent becomes a dead letter, and those behind it go on", async () => {
  let doomed = "";
  await using subscriber = await openTestSubscriber((id) => (id === doomed ? 500 : 204));
  const subscription = await delivery.subscribe(subscriber.url, { delivery: { ...quickRetries, retry: 3 } });
  const ids = await delivery.append(10, 1);
  doomed = ids.get("key-0")?.[2] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  expect(subscriber.acknowledged("key-0")).toEqual(ids.get("key-0")?.filter((id) => id !== doomed));
  expect(subscriber.pushes.filter((push) => push.eventId === doomed)).toHaveLength(4);
  expect(await lettersOf(subscription.name)).toMatchObject([{ event_id: doomed, attempts: 4 }]);
});

test("one event that is always answered with 503 does not halt the others for ever", async () => {
  let poison = "";
  await using subscriber = await openTestSubscriber((id) => (id === poison ? 503 : 204));
  const subscription = await delivery.subscribe(subscriber.url, {
    delivery: { ...quickRetries, retry: 1 },
    concurrency: 1,
  });
  const ids = await delivery.append(60, 30);
  poison = ids.get("key-3")?.[0] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) {
    expect(subscriber.acknowledged(key)).toEqual(expected.filter((id) => id !== poison));
  }
  expect(await lettersOf(subscription.name)).toMatchObject([{ event_id: poison, last_status: 503 }]);
});

test("an endpoint that is away halts the subscription, and nothing is parked, dead or lost", async () => {
  const closed = await openTestSubscriber(() => 204);
  const port = Number(new URL(closed.url).port);
  await closed[Symbol.asyncDispose]();
  const subscription = await delivery.subscribe(closed.url);
  const ids = await delivery.append(40, 4);
  await using run = delivery.run(subscription);
  await expect.poll(() => run.lines.some((line) => line.includes("endpoint is away"))).toBe(true);
  await using subscriber = await openTestSubscriber(() => 204, { port });
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
  expect(await lettersOf(subscription.name)).toEqual([]);
});

test("a runner that stops and starts goes on where it was: nothing is missing", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const subscription = await delivery.subscribe(subscriber.url, { concurrency: 4 });
  const ids = await delivery.append(200, 5);
  for (let round = 0; round < 4; round++) {
    await using run = delivery.run(subscription);
    await expect.poll(() => subscriber.pushes.length).toBeGreaterThan(round * 20);
    run.stop();
    await run.ended;
  }
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) expect([...new Set(subscriber.acknowledged(key))]).toEqual(expected);
});
