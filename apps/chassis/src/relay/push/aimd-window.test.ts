import fc from "fast-check";
import { expect, test } from "vitest";
import { AimdWindow } from "./aimd-window.ts";

const succeed = (window: AimdWindow, times: number) => {
  for (let time = 0; time < times; time++) window.succeeded();
};

test("begins at eight, or at the subscription's concurrency when that is less", () => {
  expect([1, 5, 8, 100].map((concurrency) => new AimdWindow(concurrency).size)).toEqual([1, 5, 8, 8]);
});

test("grows by one with each success until the first overload, up to the concurrency", () => {
  const window = new AimdWindow(20);
  succeed(window, 8);
  expect(window.size).toBe(16);
  succeed(window, 1_000);
  expect(window.size).toBe(20);
});

test("grows by one with each window of successes after an overload, up to the concurrency", () => {
  const window = new AimdWindow(10);
  window.overloaded(window.begin());
  expect(window.size).toBe(4);
  succeed(window, 3);
  expect(window.size).toBe(4);
  succeed(window, 1);
  expect(window.size).toBe(5);
  succeed(window, 1_000);
  expect(window.size).toBe(10);
});

test("halves once for all pushes that were under way together", () => {
  const window = new AimdWindow(100);
  const tickets = Array.from({ length: 8 }, () => window.begin());
  for (const ticket of tickets) window.overloaded(ticket);
  expect(window.size).toBe(4);
  window.overloaded(window.begin());
  expect(window.size).toBe(2);
});

test("an overload takes back the successes that were counted toward growth", () => {
  const window = new AimdWindow(100);
  const late = window.begin();
  window.overloaded(window.begin());
  succeed(window, 3);
  window.overloaded(late);
  succeed(window, 3);
  expect(window.size).toBe(4);
  succeed(window, 1);
  expect(window.size).toBe(5);
});

test("stays between one and the concurrency, whatever happens", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(fc.boolean()), (concurrency, happenings) => {
      const window = new AimdWindow(concurrency);
      for (const success of happenings) {
        if (success) window.succeeded();
        else window.overloaded(window.begin());
        expect(window.size).toBeGreaterThanOrEqual(1);
        expect(window.size).toBeLessThanOrEqual(concurrency);
      }
    }),
  );
});
