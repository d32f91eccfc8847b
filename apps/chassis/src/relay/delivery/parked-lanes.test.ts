import fc from "fast-check";
import { expect, test } from "vitest";
import { DueHeap } from "./due-heap.ts";
import { ParkedLanes } from "./parked-lanes.ts";

test("what is due comes in the order of time", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (times) => {
      const heap = new DueHeap<{ dueAtMs: number }>();
      for (const dueAtMs of times) heap.push({ dueAtMs });
      const taken: number[] = [];
      for (let due = heap.pop(); due !== undefined; due = heap.pop()) taken.push(due.dueAtMs);
      expect(taken).toEqual(times.toSorted((one, other) => one - other));
    }),
  );
});

test("a lane is parked from before its first event is stored until nothing of it is left", () => {
  const parked = new ParkedLanes();
  parked.storing("a");
  expect([parked.has("a"), parked.nextDueMs]).toEqual([true, undefined]);
  expect(parked.isHead("a", 5n)).toBe(true);
  parked.stored("a", { seq: 5n, dueAtMs: 100 });
  expect(parked.takeDue(99, 9)).toEqual([]);
  expect(parked.takeDue(100, 9)).toEqual([{ laneId: "a", seq: 5n }]);
  expect(parked.isHead("a", 6n)).toBe(false);
  parked.unload("a", undefined);
  expect([parked.has("a"), parked.size]).toEqual([false, 0]);
});

test("a lane of which events are being stored is not released when those before them are gone", () => {
  const parked = new ParkedLanes();
  parked.found("a", { seq: 1n, dueAtMs: 0 });
  parked.takeDue(0, 1);
  parked.storing("a");
  parked.unload("a", undefined);
  expect(parked.has("a")).toBe(true);
  expect(parked.isHead("a", 2n)).toBe(true);
  parked.stored("a", { seq: 2n, dueAtMs: 7 });
  expect(parked.nextDueMs).toBe(7);
});

test("an event before the first one of its lane takes its place", () => {
  const parked = new ParkedLanes();
  parked.found("a", { seq: 9n, dueAtMs: 500 });
  parked.storing("a");
  expect([parked.isHead("a", 3n), parked.isHead("a", 10n)]).toEqual([true, false]);
  parked.stored("a", { seq: 3n, dueAtMs: 20 });
  expect(parked.takeDue(1_000, 9)).toEqual([{ laneId: "a", seq: 3n }]);
});

test("what others put before a lane's events while those are pushed is next when they are to wait", () => {
  const parked = new ParkedLanes();
  parked.found("a", { seq: 9n, dueAtMs: 0 });
  parked.takeDue(0, 1);
  parked.found("a", { seq: 2n, dueAtMs: 10 });
  parked.unload("a", { seq: 9n, dueAtMs: 60_000 });
  expect(parked.takeDue(10, 9)).toEqual([{ laneId: "a", seq: 2n }]);
});

test("lanes that are found again and again are due once", () => {
  const parked = new ParkedLanes();
  for (let round = 0; round < 50; round++) {
    for (let lane = 0; lane < 100; lane++) parked.found(`${lane}`, { seq: 1n, dueAtMs: 100 + lane + round });
  }
  expect(parked.nextDueMs).toBe(149);
  expect(parked.takeDue(1_000, 1_000)).toHaveLength(100);
});
