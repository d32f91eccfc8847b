import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { KeyLanes } from "./key-lanes.ts";

interface Entry {
  readonly name: string;
  readonly alone?: boolean;
}

/** Lanes whose groups wait until they are let go. */
function openLanes(count: number, maxGroup = 3) {
  const groups: string[][] = [];
  const gates: (() => void)[] = [];
  const lanes = new KeyLanes<Entry>(count, {
    maxGroup,
    isAlone: (entry) => entry.alone === true,
    run: (group) => {
      groups.push(group.map((entry) => entry.name));
      return new Promise((resolve) => gates.push(resolve));
    },
  });
  const next = async () => {
    gates.shift()?.();
    await turn();
  };
  return { lanes, groups, next };
}

test("what comes while a group is worked off is the next one, so many at most", async () => {
  const { lanes, groups, next } = openLanes(1);
  lanes.add("k", { name: "a" });
  await turn();
  for (const name of ["b", "c", "d", "e"]) lanes.add("k", { name });
  for (let step = 0; step < 3; step++) await next();
  lanes.add("k", { name: "f" });
  await turn();
  expect(groups).toEqual([["a"], ["b", "c", "d"], ["e"], ["f"]]);
});

test("what is to be alone is, in its place", async () => {
  const { lanes, groups, next } = openLanes(1, 10);
  for (const name of ["a", "b", "C", "D", "e", "f"]) {
    lanes.add("k", { name, alone: name === name.toUpperCase() });
  }
  await turn();
  for (let step = 0; step < 4; step++) await next();
  expect(groups).toEqual([["a", "b"], ["C"], ["D"], ["e", "f"]]);
});

test("one key is in one lane, and others are spread", async () => {
  const { lanes, groups } = openLanes(4, 1_000);
  for (let at = 0; at < 400; at++) lanes.add(`key ${at % 100}`, { name: `key ${at % 100}` });
  await turn();
  expect(groups).toHaveLength(4);
  const keys = groups.map((group) => new Set(group));
  expect(keys.reduce((sum, each) => sum + each.size, 0)).toBe(100);
  expect(Math.min(...keys.map((each) => each.size))).toBeGreaterThan(10);
});
