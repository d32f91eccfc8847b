import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDelivery, type TestDelivery } from "./test-delivery.ts";
import { openTestSubscriber } from "./test-subscriber.ts";

let delivery: TestDelivery;
const rounds = 3;
const events = 1_000;

beforeAll(async () => {
  delivery = await openTestDelivery();
});
afterAll(() => delivery[Symbol.asyncDispose]());

/** How long six subscriptions need for all events, beside so many whose endpoints hang. */
async function measure(hanging: number): Promise<number> {
  const never = new Promise<number>(() => undefined);
  await using stack = new AsyncDisposableStack();
  const well = stack.use(await openTestSubscriber(() => 204));
  const hung = stack.use(await openTestSubscriber(() => never));
  const subscriptions = await Promise.all(Array.from({ length: 6 }, () => delivery.subscribe(well.url)));
  const others = await Promise.all(Array.from({ length: hanging }, () => delivery.subscribe(hung.url)));
  await delivery.append(events, 200);
  const runs = others.map((subscription) => stack.use(delivery.run(subscription)));
  const startMs = performance.now();
  for (const subscription of subscriptions) runs.push(stack.use(delivery.run(subscription)));
  // All at once, since each waits a while for its pushes.
  stack.defer(() => {
    for (const run of runs) run.stop();
  });
  await Promise.all(subscriptions.map((subscription) => delivery.caughtUp(subscription)));
  return performance.now() - startMs;
}

test("subscriptions whose endpoints hang take no throughput from the others", async () => {
  await measure(0);
  const alone: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await measure(0));
    beside.push(await measure(3));
  }
  expect(Math.min(...beside) / Math.min(...alone)).toBeLessThan(1.3);
}, 120_000);
