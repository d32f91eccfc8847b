import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliverySchema } from "../../gen/quartet/v1/options_pb.ts";
import { backoffMs, deliverySettings } from "./backoff.ts";

test("a pause lies between nothing and its policy's delay, and never below a Retry-After it honours", () => {
  const settings = deliverySettings(undefined);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.option(fc.integer({ min: 0, max: 10_000_000 }), { nil: undefined }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempts, retryAfterMs, random) => {
        const pause = backoffMs(settings, attempts, retryAfterMs, random);
        const asked = Math.min(retryAfterMs ?? 0, settings.retryAfterMaxMs);
        expect(pause).toBeGreaterThanOrEqual(asked);
        expect(pause).toBeLessThanOrEqual(Math.max(asked, 60_000));
      },
    ),
  );
});

test("the delay doubles from attempt to attempt", () => {
  const settings = deliverySettings(undefined);
  expect([1, 2, 3, 4].map((attempt) => backoffMs(settings, attempt, undefined, 0.5))).toEqual([
    100, 200, 400, 800,
  ]);
});

test.each([
  [0n, 10_000],
  [-5n, 10_000],
  [1n, 1_000],
  [315_576_000_000n, 2 ** 31 - 1],
])("a timeout of %d s is %d ms", (seconds, timeoutMs) => {
  const delivery = create(DeliverySchema, { timeout: { seconds } });
  expect(deliverySettings(delivery).timeoutMs).toBe(timeoutMs);
});
