import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliveryWindow } from "./delivery-window.ts";

test("the cursor stands before the first event that has not ended, whatever the order of the ends", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]), (ended) => {
      const window = new DeliveryWindow(0n);
      for (let seq = 1n; seq <= 8n; seq++) window.begin(seq);
      window.scanned(10n);
      for (const seq of ended) window.end(seq);
      const open = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n].filter((seq) => !ended.includes(seq));
      expect(window.cursor).toBe(open[0] === undefined ? 10n : open[0] - 1n);
      expect(window.size).toBe(open.length);
    }),
  );
});

test("what was scanned without a match moves the cursor", () => {
  const window = new DeliveryWindow(5n);
  window.scanned(9n);
  window.scanned(7n);
  expect(window.cursor).toBe(9n);
});
