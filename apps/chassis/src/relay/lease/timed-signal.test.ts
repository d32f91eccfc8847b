import { once } from "node:events";
import { expect, test } from "vitest";
import { narrowLease } from "./narrow-lease.ts";
import { createTimedSignal } from "./timed-signal.ts";

test("aborts by itself, not before its time", async () => {
  const deadlineMs = performance.now() + 30;
  const { signal } = createTimedSignal(deadlineMs);
  expect(signal.aborted).toBe(false);
  await once(signal, "abort");
  expect(performance.now()).toBeGreaterThanOrEqual(deadlineMs);
});

test("an extension puts the end off, and one that is sooner changes nothing", async () => {
  const deadlineMs = performance.now() + 60;
  const timed = createTimedSignal(performance.now() + 20);
  timed.extendTo(deadlineMs);
  timed.extendTo(performance.now() + 10);
  await once(timed.signal, "abort");
  expect(performance.now()).toBeGreaterThanOrEqual(deadlineMs);
});

test("a process that could run no timer sees at its first look that time is over", () => {
  const endMs = performance.now() + 20;
  const { signal } = createTimedSignal(endMs);
  let heard = false;
  signal.addEventListener("abort", () => {
    heard = true;
  });
  while (performance.now() < endMs);
  expect(heard).toBe(false);
  expect(signal.aborted).toBe(true);
  expect(heard).toBe(true);
});

test("what is over cannot be extended", () => {
  const timed = createTimedSignal(performance.now() + 60_000);
  timed.abort();
  timed.extendTo(performance.now() + 120_000);
  expect(timed.signal.aborted).toBe(true);
});

test("signals that are made of it abort with it", async () => {
  const timed = createTimedSignal(performance.now() + 20);
  const both = AbortSignal.any([timed.signal, new AbortController().signal]);
  await once(both, "abort");
  expect(timed.signal.aborted).toBe(true);
});

test("a lease that is narrowed sees the end of either signal, and that time is over", () => {
  const lease = (endMs: number) => ({ name: "test", epoch: 3n, signal: createTimedSignal(endMs).signal });
  const sooner = new AbortController();
  const narrow = narrowLease(lease(performance.now() + 60_000), sooner.signal);
  expect(narrow).toMatchObject({ name: "test", epoch: 3n });
  expect(narrow.signal.aborted).toBe(false);
  sooner.abort();
  expect(narrow.signal.aborted).toBe(true);
  const endMs = performance.now() + 20;
  const late = narrowLease(lease(endMs), new AbortController().signal);
  while (performance.now() < endMs);
  expect(late.signal.aborted).toBe(true);
});
