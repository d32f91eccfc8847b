import { expect, test } from "vitest";
import { mapTwoAtOnce } from "./map-two-at-once.ts";

test("keeps the order of the items, with never more than two under way", async () => {
  let [running, most] = [0, 0];
  const results = await mapTwoAtOnce([3, 1, 4, 1, 5], async (turns) => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    running -= 1;
    return turns * 10;
  });
  expect([results, most]).toEqual([[30, 10, 40, 10, 50], 2]);
});

test("begins none after a failure", async () => {
  const begun: number[] = [];
  const mapped = mapTwoAtOnce([0, 1, 2, 3, 4, 5], async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("one");
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  });
  await expect(mapped).rejects.toThrow("one");
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  expect(begun).toEqual([0, 1]);
});
