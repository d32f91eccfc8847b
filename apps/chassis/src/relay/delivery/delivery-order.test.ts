import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ContentMode, DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import { openTestDelivery, quickRetries, type TestDelivery } from "./test-delivery.ts";
import { type Answering, openTestSubscriber, type TestSubscriber } from "./test-subscriber.ts";

let delivery: TestDelivery;

beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

/** Ids in the order in which they were first acknowledged. */
function firstAcknowledged(subscriber: TestSubscriber): string[] {
  return [...new Set(subscriber.pushes.filter(({ status }) => status < 300).map(({ eventId }) => eventId))];
}

const single = { mode: ContentMode.BINARY };
const batch = { mode: ContentMode.BATCH, batch: { maxEvents: 20 } };

describe.each([
  ["single pushes", single],
  ["batches", batch],
])("in %s", (_name, mode) => {
  test.each([11, 22, 33])(
    "whatever fails and wherever a relay dies, keys keep their order (seed %i)",
    async (seed) => {
      const random = randomOf(seed);
      const refused = new Set<string>();
      const answering: Answering = (id, earlier) => {
        if (refused.has(id)) return 422;
        if (earlier > 3 || random() < 0.7) return 204;
        return [500, 503, 409, 429, 504][Math.floor(random() * 5)] ?? 500;
      };
      await using subscriber = await openTestSubscriber(answering, { ordered: true });
      const subscription = await delivery.subscribe(subscriber.url, {
        ...mode,
        delivery: { ...quickRetries, retry: 50 },
        concurrency: 6,
      });
      const ids = await delivery.append(400, 23);
      const all = [...ids.values()].flat();
      for (const id of all) if (random() < 0.03) refused.add(id);
      for (let crashes = 0; crashes < 4; crashes++) {
        let left = Math.floor(random() * 60);
        const onPoint = () => {
          left -= 1;
          if (left < 0) throw new Error("crash");
        };
        await using run = delivery.run(subscription, { onPoint });
        await expect(run.ended).rejects.toThrow("crash");
      }
      await using _run = delivery.run(subscription);
      await delivery.caughtUp(subscription);
      const seen = firstAcknowledged(subscriber);
      for (const [key, expected] of ids) {
        const living = expected.filter((id) => !refused.has(id));
        expect([key, seen.filter((id) => expected.includes(id))]).toEqual([key, living]);
      }
      const letters = await delivery.database.query<{ event_id: string }>(
        "select event_id from quartet.dead_letter where subscription = $1",
        [subscription.name],
      );
      expect(letters.map(({ event_id }) => event_id).sort()).toEqual([...refused].sort());
    },
  );

  test("in total order nothing passes an event that fails", async () => {
    let failing = "";
    await using subscriber = await openTestSubscriber((id, earlier) =>
      id === failing && earlier < 3 ? { status: 500, whole: true } : 204,
    );
    const subscription = await delivery.subscribe(subscriber.url, { ...mode, order: DeliveryOrder.TOTAL });
    const ids = await delivery.append(60, 6);
    const inOrder = Array.from({ length: 60 }, (_, n) => ids.get(`key-${n % 6}`)?.[Math.floor(n / 6)] ?? "");
    failing = inOrder[25] ?? "";
    await using _run = delivery.run(subscription);
    await delivery.caughtUp(subscription);
    expect(firstAcknowledged(subscriber)).toEqual(inOrder);
  });

  test("without order the events of a key do not wait for one that fails", async () => {
    let failing = "";
    let others = 0;
    await using subscriber = await openTestSubscriber((id) => {
      if (id !== failing) others += 1;
      return id === failing && others < 59 ? 500 : 204;
    });
    const subscription = await delivery.subscribe(subscriber.url, { ...mode, order: DeliveryOrder.NONE });
    const ids = await delivery.append(60, 1);
    failing = ids.get("key-0")?.[0] ?? "";
    await using _run = delivery.run(subscription);
    await delivery.caughtUp(subscription);
    expect(firstAcknowledged(subscriber).at(-1)).toBe(failing);
  });
});

test("a batch carries several events of a key in order, and none of them is in two batches at once", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const subscription = await delivery.subscribe(subscriber.url, batch);
  const ids = await delivery.append(400, 3);
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) expect(subscriber.acknowledged(key)).toEqual(expected);
  expect(subscriber.pushes.at(-1)?.request).toBeLessThan(60);
});

test("of a batch that fails as a whole the one that spoils it fails alone", async () => {
  let poison = "";
  await using subscriber = await openTestSubscriber((id) =>
    id === poison ? { status: 500, whole: true } : 204,
  );
  const subscription = await delivery.subscribe(subscriber.url, {
    ...batch,
    delivery: { ...quickRetries, retry: 2 },
  });
  const ids = await delivery.append(100, 10);
  poison = ids.get("key-4")?.[2] ?? "";
  await using _run = delivery.run(subscription);
  await delivery.caughtUp(subscription);
  for (const [key, expected] of ids) {
    expect(subscriber.acknowledged(key)).toEqual(expected.filter((id) => id !== poison));
  }
  const letters = await delivery.database.query(
    "select event_id from quartet.dead_letter where subscription = $1",
    [subscription.name],
  );
  expect(letters).toEqual([{ event_id: poison }]);
});

test("a batch that is not full waits for more events as long as the subscription says", async () => {
  await using subscriber = await openTestSubscriber(() => 204);
  const waiting = { maxEvents: 10, maxWait: { seconds: 20n } };
  const subscription = await delivery.subscribe(subscriber.url, { mode: ContentMode.BATCH, batch: waiting });
  await using _run = delivery.run(subscription);
  for (let part = 0; part < 5; part++) await delivery.append(2, 2);
  await delivery.caughtUp(subscription);
  expect(new Set(subscriber.pushes.map(({ request }) => request)).size).toBe(1);
});

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
