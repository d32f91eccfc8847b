import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { GroupQueue, type GroupSettings } from "./group-queue.ts";

interface Entry {
  readonly name: string;
  readonly alone?: boolean;
}

/** A queue whose groups are under way until they are let go, in any order. */
function openQueue(settings: Partial<GroupSettings<Entry>>) {
  const groups: string[][] = [];
  const underWay: { readonly names: string[]; readonly end: () => void }[] = [];
  const queue = new GroupQueue<Entry>({
    maxRunning: 1,
    maxGroup: 100,
    together: true,
    isAlone: (entry) => entry.alone === true,
    run: (group) => {
      const names = group.map((entry) => entry.name);
      groups.push(names);
      return new Promise((resolve) => underWay.push({ names, end: resolve }));
    },
    ...settings,
  });
  /** Lets one of the groups under way end, by default the oldest. */
  const end = async (at = 0) => {
    underWay.splice(at, 1)[0]?.end();
    await turn();
  };
  return { queue, groups, underWay, end };
}

test("what comes while a group is worked off is the next one, so many at most", async () => {
  const { queue, groups, end } = openQueue({ maxGroup: 3 });
  queue.add("k", { name: "a" });
  await turn();
  for (const name of ["b", "c", "d", "e"]) queue.add("k", { name });
  for (let step = 0; step < 3; step++) await end();
  queue.add("k", { name: "f" });
  await turn();
  expect(groups).toEqual([["a"], ["b", "c", "d"], ["e"], ["f"]]);
});

test("what is to be alone is, in its place", async () => {
  const { queue, groups, end } = openQueue({});
  for (const name of ["a", "b", "C", "D", "e", "f"]) {
    queue.add("k", { name, alone: name === name.toUpperCase() });
  }
  await turn();
  for (let step = 0; step < 4; step++) await end();
  expect(groups).toEqual([["a", "b"], ["C"], ["D"], ["e", "f"]]);
});

test("a key waits for its group, and others do not", async () => {
  const { queue, groups, end } = openQueue({ maxRunning: 2 });
  queue.add("k", { name: "k1" });
  await turn();
  for (const name of ["k2", "l1", "k3"]) queue.add(name.slice(0, 1), { name });
  await turn();
  queue.add("k", { name: "k4" });
  expect(groups).toEqual([["k1"], ["l1"]]);
  await end(1);
  expect(groups).toHaveLength(2);
  await end(0);
  expect(groups).toEqual([["k1"], ["l1"], ["k2", "k3", "k4"]]);
});

test("one group takes all when a larger one takes no longer, else those that may begin share it", async () => {
  for (const [together, sizes] of [
    [true, [10]],
    [false, [3, 3, 2, 2]],
  ] as const) {
    const { queue, groups } = openQueue({ together, maxRunning: 4 });
    for (let at = 0; at < 10; at++) queue.add(`key ${at}`, { name: `${at}` });
    await turn();
    expect(groups.map((group) => group.length)).toEqual(sizes);
  }
});

test("what is shared is not shared within a key", async () => {
  const { queue, groups } = openQueue({ together: false, maxRunning: 4 });
  for (const name of ["a1", "a2", "a3", "b1"]) queue.add(name.slice(0, 1), { name });
  await turn();
  expect(groups).toEqual([["a1", "a2", "a3"], ["b1"]]);
});

test("each entry is worked off once, those of a key in order and never at once, whatever ends when", async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ key: fc.constantFrom("a", "b", "c"), alone: fc.boolean() }),
      fc.record({ ends: fc.nat(3) }),
      fc.constant("turn" as const),
    ),
  );
  const property = fc.asyncProperty(steps, fc.boolean(), fc.nat(3), async (all, together, more) => {
    const settings = { together, maxRunning: 1 + more, maxGroup: 1 + (more % 3) };
    const { queue, groups, underWay, end } = openQueue(settings);
    const added: string[] = [];
    const expectApart = () => {
      const keys = underWay.flatMap(({ names }) => [...new Set(names.map((name) => name[0]))]);
      expect(keys).toEqual([...new Set(keys)]);
    };
    for (const step of all) {
      if (step === "turn") await turn();
      else if ("ends" in step) await end(step.ends);
      else {
        added.push(`${step.key}${added.length}`);
        queue.add(step.key, { name: added.at(-1) ?? "", alone: step.alone });
      }
      expectApart();
    }
    await turn();
    while (underWay.length > 0) {
      await end();
      expectApart();
    }
    for (const key of ["a", "b", "c"]) {
      const ofKey = (names: readonly string[]) => names.filter((name) => name.startsWith(key));
      expect(ofKey(groups.flat())).toEqual(ofKey(added));
    }
  });
  await fc.assert(property);
});
