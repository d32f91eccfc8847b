import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { TimedReading } from "./timed-reading.ts";

const forever = 3_600_000;

test("however many ask, it is read once, and no more often than it may be", async () => {
  let reads = 0;
  const reading = new TimedReading(async () => ++reads, { everyMs: 60, waitMs: forever });
  expect(await Promise.all([reading.take(), reading.take(), reading.take()])).toEqual([1, 1, 1]);
  await delay(80);
  expect(await reading.take()).toBe(2);
});

test("what cannot be read is nothing, not what was there before, and is not read the sooner", async () => {
  let reads = 0;
  const read = async () => {
    reads += 1;
    if (reads > 1) throw new Error("away");
    return reads;
  };
  const reading = new TimedReading(read, { everyMs: 0, waitMs: forever });
  expect([await reading.take(), await reading.take()]).toEqual([1, undefined]);
  const patient = new TimedReading(read, { everyMs: forever, waitMs: forever });
  expect([await patient.take(), await patient.take(), reads]).toEqual([undefined, undefined, 3]);
});

test("who asks waits for so long only, while it is read to the end for who asks next", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let reads = 0;
  const read = () => {
    reads += 1;
    return promise;
  };
  const reading = new TimedReading(read, { everyMs: forever, waitMs: 20 });
  expect([await reading.take(), await reading.take()]).toEqual([undefined, undefined]);
  resolve("late");
  expect([await reading.take(), reads]).toEqual(["late", 1]);
});
