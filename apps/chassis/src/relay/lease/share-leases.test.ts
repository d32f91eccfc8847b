import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planLeases } from "./share-leases.ts";

const wanted = ["capture/main", "capture/events", "housekeeping", "subscription/a", "subscription/b"];

function plan(process: string, others: string[], holders: Record<string, string>, names = wanted) {
  return planLeases({ process, others, wanted: names, holders: new Map(Object.entries(holders)) });
}

describe("a process", () => {
  test("that is alone takes all that is free", () => {
    expect(plan("one", [], {}).claim.toSorted()).toEqual(wanted.toSorted());
  });

  test("takes what a dead one held, and leaves what a living one holds", () => {
    const holders = Object.fromEntries(wanted.slice(0, 3).map((name) => [name, "other"]));
    const { claim, giveBack } = plan("one", ["other"], holders);
    expect(claim.toSorted()).toEqual(["subscription/a", "subscription/b"]);
    expect(giveBack).toEqual([]);
  });

  test("gives back what nobody wants any more, beside its share", () => {
    expect(plan("one", [], { "subscription/gone": "one" }).giveBack).toEqual(["subscription/gone"]);
  });

  test("has the right to one more than others only while it holds one more", () => {
    const holders = {
      ...Object.fromEntries(wanted.slice(0, 3).map((name) => [name, "b"])),
      ...Object.fromEntries(wanted.slice(3).map((name) => [name, "a"])),
    };
    expect(plan("b", ["a"], holders)).toMatchObject({ share: 3, giveBack: [] });
    expect(plan("a", ["b"], holders)).toMatchObject({ share: 2, claim: [] });
  });

  test("parts with its second capture first when another process comes", () => {
    const holders = Object.fromEntries(wanted.map((name) => [name, "one"]));
    const { giveBack } = plan("one", ["new"], holders);
    expect(giveBack.filter((name) => name.startsWith("capture/"))).toHaveLength(1);
  });

  test("that takes one of two prefers the kind that it has not", () => {
    const holders = { "capture/main": "one", "subscription/a": "other" };
    const { claim } = plan("one", ["other"], holders, [
      "capture/main",
      "capture/events",
      "subscription/a",
      "subscription/b",
    ]);
    expect(claim).toEqual(["subscription/b"]);
  });
});

/** Processes act in turns, in any order, each on what it sees then; what is given back is free at once. */
function settle(holders: Map<string, string>, live: readonly string[], names: readonly string[]): number {
  let moves = 0;
  for (let round = 0; round < 50; round++) {
    const before = moves;
    for (const process of live) {
      const others = live.filter((other) => other !== process);
      const { claim, giveBack } = planLeases({ process, others, wanted: names, holders });
      for (const name of giveBack) holders.delete(name);
      for (const name of claim) holders.set(name, process);
      moves += claim.length + giveBack.length;
    }
    if (moves === before) return moves;
  }
  throw new Error("they never come to rest");
}

test("processes that come and go end with all leases held, evenly, and then nothing moves", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^(capture|subscription)\/[a-z]{1,3}$/), { maxLength: 20 });
  const crowds = fc.array(fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1 }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(names, crowds, (wantedNames, lives) => {
      const holders = new Map<string, string>();
      for (const live of lives) {
        for (const [name, holder] of [...holders])
          if (!live.some((each) => each === holder)) holders.delete(name);
        settle(holders, live, wantedNames);
        expect([...holders.keys()].toSorted()).toEqual(wantedNames.toSorted());
        const counts = live.map((process) => [...holders.values()].filter((each) => each === process).length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test("a process that goes moves no more than it held and evenness asks for", () => {
  const live = ["a", "b", "c"];
  const names = Array.from({ length: 30 }, (_, index) => `subscription/${index}`);
  const holders = new Map<string, string>();
  settle(holders, live, names);
  for (const [name, holder] of [...holders]) if (holder === "c") holders.delete(name);
  expect(settle(holders, ["a", "b"], names)).toBe(10);
});
