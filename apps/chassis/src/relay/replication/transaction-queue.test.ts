import { expect, test } from "vitest";
import { toLsn } from "./lsn.ts";
import type { TransactionPart } from "./transaction-part.ts";
import { TransactionQueue } from "./transaction-queue.ts";

const part = (end: number): TransactionPart => ({
  commitEndLsn: toLsn(BigInt(end)),
  commitLsn: toLsn(BigInt(end)),
  commitTime: new Date(0),
  firstRow: 0,
  rows: [],
});

function push(queue: TransactionQueue, end: number, bytes: number): void {
  queue.grow(bytes);
  queue.push(part(end));
}

test("is full above its limit and drained at half of it", () => {
  const queue = new TransactionQueue(100);
  for (let end = 1; end <= 10; end++) push(queue, end, 10);
  expect(queue.full).toBe(false);
  queue.grow(1); // the part in progress counts
  expect(queue.full).toBe(true);
  expect(queue.bytes).toBe(101);
  for (let taken = 0; taken < 5; taken++) {
    expect(queue.drained).toBe(false);
    queue.takeNow();
  }
  expect(queue.drained).toBe(false);
  queue.takeNow();
  expect(queue.drained).toBe(true);
});

test("is never full with the part in progress alone: nobody could drain it", () => {
  const queue = new TransactionQueue(100);
  queue.grow(1_000_000);
  expect(queue.full).toBe(false);
  expect(queue.drained).toBe(true);
});

test("keeps the order, whether somebody waits or not", async () => {
  const queue = new TransactionQueue(100);
  const waiting = [queue.take(), queue.take()];
  for (let end = 1; end <= 5_000; end++) push(queue, end, 1);
  const ends = (await Promise.all(waiting)).map((taken) => taken?.commitEndLsn);
  for (let next = queue.takeNow(); next; next = queue.takeNow()) ends.push(next.commitEndLsn);
  expect(ends).toEqual(Array.from({ length: 5_000 }, (_, index) => BigInt(index + 1)));
});

test("failed, hands over what it has and then throws; ended, is empty at once", async () => {
  const queue = new TransactionQueue(100);
  push(queue, 1, 1);
  queue.fail(new Error("first"));
  queue.fail(new Error("second"));
  expect((await queue.take())?.commitEndLsn).toBe(1n);
  await expect(queue.take()).rejects.toThrow("first");
  queue.end();
  expect(await queue.take()).toBeUndefined();
});

test("whoever waits is told of failure and of the end", async () => {
  const failing = new TransactionQueue(100);
  const refused = failing.take();
  failing.fail(new Error("gone"));
  await expect(refused).rejects.toThrow("gone");
  const ending = new TransactionQueue(100);
  const waiting = ending.take();
  ending.end();
  expect(await waiting).toBeUndefined();
});
