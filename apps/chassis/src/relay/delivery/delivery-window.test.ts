import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliveryWindow } from "./delivery-window.ts";

test("the cursor stands just before the first event that has not ended, whatever the order of ends", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 200 }),
      fc.infiniteStream(fc.nat()),
      (numbers, random) => {
        const seqs = numbers.toSorted((one, other) => one - other);
        const window = new DeliveryWindow(0n);
        const open = new Map(seqs.map((seq) => [seq, window.begin(BigInt(seq), 10)]));
        window.scanned(50_000n);
        while (open.size > 0) {
          const left = [...open.keys()];
          expect(window.cursor).toBe(BigInt(Math.min(...left)) - 1n);
          expect([window.size, window.bytes]).toEqual([left.length, left.length * 10]);
          const chosen = left[random.next().value % left.length] ?? 0;
          const slot = open.get(chosen);
          if (slot !== undefined) window.end(slot);
          open.delete(chosen);
        }
        expect(window.cursor).toBe(50_000n);
      },
    ),
  );
});

test("an event that ends twice ends once", () => {
  const window = new DeliveryWindow(0n);
  const [first] = [window.begin(1n, 10), window.begin(2n, 10)];
  if (first === undefined) return;
  window.end(first);
  window.end(first);
  expect([window.size, window.bytes, window.cursor]).toEqual([1, 10, 1n]);
});

test("events that have ended are let go although thousands begin behind them", () => {
  const window = new DeliveryWindow(0n);
  for (let seq = 1n; seq <= 50_000n; seq++) window.end(window.begin(seq, 1));
  expect(window.span).toBe(0);
  window.scanned(50_000n);
  expect(window.cursor).toBe(50_000n);
});
