import fc from "fast-check";
import { expect, test } from "vitest";
import { RateLimit } from "./rate-limit.ts";

test("over any time no more events go than the rate gives, and a tenth of a second's", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 10_000, noNaN: true }),
      fc.array(
        fc.record({ waitMs: fc.integer({ min: 0, max: 3_000 }), wanted: fc.integer({ min: 1, max: 500 }) }),
      ),
      (rate, steps) => {
        const limit = new RateLimit(rate, 0);
        let [nowMs, spent] = [0, 0];
        for (const { waitMs, wanted } of steps) {
          nowMs += waitMs;
          const events = Math.min(wanted, limit.available(nowMs));
          limit.spend(events);
          spent += events;
          expect(spent).toBeLessThanOrEqual((nowMs / 1_000) * rate + Math.max(1, rate / 10) + 1e-6);
        }
      },
    ),
  );
});

test("an event may go when it says so", () => {
  const limit = new RateLimit(20, 1_000);
  limit.spend(limit.available(1_000));
  expect(limit.available(1_000)).toBe(0);
  expect(limit.readyAtMs).toBeCloseTo(1_050);
  expect([limit.available(1_049), limit.available(1_050.01)]).toEqual([0, 1]);
});

test("without a rate all may go", () => {
  const limit = new RateLimit(0, 0);
  limit.spend(1_000_000);
  expect(limit.available(0)).toBe(Number.POSITIVE_INFINITY);
});
