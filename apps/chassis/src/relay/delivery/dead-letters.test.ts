import { afterAll, beforeAll, expect, test } from "vitest";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { deleteSubscription } from "../subscription/delete-subscription.ts";
import { discardDeadLetters, listDeadLetters, readDeadLetter } from "./dead-letters.ts";
import { redriveDeadLetters } from "./redrive-dead-letters.ts";
import { openTestDelivery, quickRetries, type TestDelivery } from "./test-delivery.ts";
import { openTestSubscriber, type TestSubscriber } from "./test-subscriber.ts";

let delivery: TestDelivery;
const atOnce = { ratePerSecond: 0, limit: 1_000 };

beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

/** Lets events die at a subscriber that refuses the given ids. */
async function bury(
  subscriber: TestSubscriber,
  keys: number,
  events: number,
  refuse: (ids: ReadonlyMap<string, readonly string[]>) => void,
): Promise<{ subscription: Subscription; ids: ReadonlyMap<string, readonly string[]> }> {
  const subscription = await delivery.subscribe(subscriber.url, { delivery: { ...quickRetries, retry: 1 } });
  const ids = await delivery.append(events, keys);
  refuse(ids);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  return { subscription, ids };
}

test("a letter tells the event, every attempt, and what came of it", async () => {
  await using subscriber = await openTestSubscriber(() => ({ status: 500, body: "out of order" }));
  const subscription = await delivery.subscribe(subscriber.url, { delivery: { ...quickRetries, retry: 2 } });
  const [eventId = ""] = await delivery.appendEvents([
    { key: "k", traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", correlationId: "c" },
  ]);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  const page = await listDeadLetters(delivery.database.pool, { subscription: subscription.name }, {});
  const [listed] = page.messages;
  const letter = await readDeadLetter(delivery.database.pool, listed?.deadLetterId ?? "");
  expect(letter).toMatchObject({ eventId, eventKey: "k", attempts: 3, lastStatus: 500 });
  expect(letter).toMatchObject({ lastAnswer: "out of order", eventHead: { correlationId: "c" } });
  expect(letter.attemptLog.map(({ attempt, status }) => [attempt, status])).toEqual([
    [1, 500],
    [2, 500],
    [3, 500],
  ]);
  expect(await delivery.database.query("select from quartet.delivery_attempt")).toEqual([]);
});

test("redriving gives the events of a key back in their order, before those of it that wait", async () => {
  let dead: readonly string[] = [];
  let stuck = "";
  const later = { status: 500, headers: { "retry-after": "50" } };
  await using subscriber = await openTestSubscriber((id, earlier) => {
    if (dead.includes(id)) return 422;
    return id === stuck && earlier === 0 ? later : 204;
  });
  const subscription = await delivery.subscribe(subscriber.url);
  const key = (await delivery.append(12, 2)).get("key-1") ?? [];
  [dead, stuck] = [[key[1] ?? "", key[3] ?? ""], key[4] ?? ""];
  const { pool, query } = delivery.database;
  const parked = () =>
    query("select from quartet.delivery_parked where subscription = $1", [subscription.name]);
  const letters = () => query("select from quartet.dead_letter where subscription = $1", [subscription.name]);
  await using _run = delivery.run(subscription);
  await expect.poll(async () => [(await parked()).length, (await letters()).length]).toEqual([2, 2]);
  dead = [];
  const filter = { subscription: subscription.name };
  expect(await redriveDeadLetters(pool, { filter }, atOnce)).toBe(2);
  await expect.poll(() => subscriber.acknowledged("key-1")).toEqual([key[0], key[2], key[1], key[3]]);
  await query("update quartet.delivery_parked set due_at = now() where subscription = $1", [
    subscription.name,
  ]);
  await query("update quartet.delivery_cursor set revision = revision + 1 where subscription = $1", [
    subscription.name,
  ]);
  await delivery.caughtUp(subscription);
  expect(subscriber.acknowledged("key-1").slice(4)).toEqual([key[4], key[5]]);
});

test("two redrives at once and a runner that works meanwhile give each event back once", async () => {
  let works = false;
  await using subscriber = await openTestSubscriber(() => (works ? 204 : 422));
  const { subscription, ids } = await bury(subscriber, 20, 300, () => undefined);
  works = true;
  await using _run = delivery.run(subscription);
  const selection = { filter: { subscription: subscription.name } };
  const counts = await Promise.all([
    redriveDeadLetters(delivery.database.pool, selection, { ...atOnce, ratePerSecond: 1_000 }),
    redriveDeadLetters(delivery.database.pool, selection, { ...atOnce, ratePerSecond: 900 }),
    delivery.append(200, 20),
  ]);
  expect(counts[0] + counts[1]).toBe(300);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) {
    const seen = subscriber.acknowledged(key).filter((id) => expected.includes(id));
    expect(seen).toEqual(expected);
  }
});

test("an event that dies again is one letter with the sum of its attempts, and can be given back again", async () => {
  let works = false;
  await using subscriber = await openTestSubscriber(() => (works ? 204 : 500));
  const { subscription, ids } = await bury(subscriber, 1, 2, () => undefined);
  await using _run = delivery.run(subscription);
  const filter = { subscription: subscription.name };
  expect(await redriveDeadLetters(delivery.database.pool, { filter }, atOnce)).toBe(2);
  await delivery.caughtUp(subscription);
  const { messages } = await listDeadLetters(delivery.database.pool, filter, {});
  expect(messages.map(({ attempts, attemptLog }) => [attempts, attemptLog.length])).toEqual([
    [4, 4],
    [4, 4],
  ]);
  expect(messages[0]?.attemptLog.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  works = true;
  const letterIds = messages.map(({ deadLetterId }) => deadLetterId);
  expect(await redriveDeadLetters(delivery.database.pool, { ids: letterIds }, atOnce)).toBe(2);
  await delivery.caughtUp(subscription);
  expect(subscriber.acknowledged("key-0")).toEqual(ids.get("key-0"));
});

test("an event that the log has dropped is delivered from its letter", async () => {
  let works = false;
  await using subscriber = await openTestSubscriber(() => (works ? 204 : 422));
  const { subscription, ids } = await bury(subscriber, 1, 3, () => undefined);
  works = true;
  await delivery.database.query("delete from quartet.event_log where event_id = any($1::uuid[])", [
    ids.get("key-0"),
  ]);
  await redriveDeadLetters(delivery.database.pool, { filter: { subscription: subscription.name } }, atOnce);
  await using _run = delivery.run(subscription, { otherLog: true });
  await delivery.caughtUp(subscription);
  expect(subscriber.acknowledged("key-0")).toEqual(ids.get("key-0"));
  const [push] = subscriber.pushes.filter(({ status }) => status === 204);
  expect(Buffer.from(push?.event.data ?? []).toString()).toBe('{"text":"noted"}');
});

test("a parked event that the log has dropped is a letter that says so", async () => {
  const later = { status: 500, headers: { "retry-after": "50" } };
  await using subscriber = await openTestSubscriber(() => later);
  const subscription = await delivery.subscribe(subscriber.url);
  const [eventId] = await delivery.appendEvents([{ key: "lost" }]);
  const { pool, query } = delivery.database;
  const parked = () =>
    query("select from quartet.delivery_parked where subscription = $1", [subscription.name]);
  {
    await using _run = delivery.run(subscription);
    await expect.poll(async () => (await parked()).length).toBe(1);
  }
  await query("delete from quartet.event_log where event_id = $1", [eventId]);
  await query("update quartet.delivery_parked set due_at = now() where subscription = $1", [
    subscription.name,
  ]);
  await using _run = delivery.run(subscription, { otherLog: true });
  await delivery.caughtUp(subscription);
  const filter = { subscription: subscription.name };
  const { messages } = await listDeadLetters(pool, filter, {});
  expect(messages).toMatchObject([{ eventKey: "lost", lastAnswer: expect.stringContaining("dropped") }]);
  expect(await redriveDeadLetters(pool, { filter }, atOnce)).toBe(0);
});

test("letters of a subscription that is gone are not given back to it, and the error says what to do", async () => {
  await using subscriber = await openTestSubscriber(() => 422);
  const { subscription } = await bury(subscriber, 1, 1, () => undefined);
  await deleteSubscription(delivery.database.pool, subscription.name, new Set());
  const selection = { filter: { subscription: subscription.name } };
  await expect(redriveDeadLetters(delivery.database.pool, selection, atOnce)).rejects.toMatchObject({
    code: "not_found",
    fix: expect.stringContaining("Create"),
  });
  expect((await listDeadLetters(delivery.database.pool, selection.filter, {})).messages).toHaveLength(1);
});

test("letters are found by type, key, time and status, a page at a time, and discarded likewise", async () => {
  await using subscriber = await openTestSubscriber(() => 422);
  const { subscription } = await bury(subscriber, 2, 10, () => undefined);
  const { pool } = delivery.database;
  const filter = { subscription: subscription.name, eventKey: "key-1", eventType: "test.v1.Noted" };
  const first = await listDeadLetters(pool, { ...filter, lastStatus: 422 }, { pageSize: 3 });
  const { nextPageToken: pageToken } = first;
  const rest = await listDeadLetters(pool, { ...filter, lastStatus: 422 }, { pageSize: 3, pageToken });
  expect([first.messages.length, rest.messages.length]).toEqual([3, 2]);
  const later = new Date(Date.now() + 60_000);
  expect((await listDeadLetters(pool, { ...filter, deadAfter: later }, {})).messages).toEqual([]);
  expect(await discardDeadLetters(pool, { filter }, { limit: 2 })).toBe(2);
  expect(await discardDeadLetters(pool, { filter }, { limit: 100 })).toBe(3);
  await expect(discardDeadLetters(pool, { filter: {} }, { limit: 1 })).rejects.toMatchObject({
    code: "invalid_argument",
  });
  await expect(discardDeadLetters(pool, { ids: ["none"] }, { limit: 1 })).rejects.toMatchObject({
    code: "not_found",
  });
});

test("redriving keeps its rate, tells how far it is, and stops when it is told to", async () => {
  await using subscriber = await openTestSubscriber(() => 422);
  const { subscription } = await bury(subscriber, 5, 60, () => undefined);
  const controller = new AbortController();
  const progress: number[] = [];
  const redriven = await redriveDeadLetters(
    delivery.database.pool,
    { filter: { subscription: subscription.name } },
    {
      ratePerSecond: 40,
      limit: 1_000,
      signal: controller.signal,
      onProgress: (count) => {
        progress.push(count);
        if (count >= 20) controller.abort();
      },
    },
  );
  expect([redriven, progress]).toEqual([20, [10, 20]]);
});
