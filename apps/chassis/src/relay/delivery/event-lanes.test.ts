import fc from "fast-check";
import { expect, test } from "vitest";
import { testEvent } from "../subscription/test-log.ts";
import { EventLanes } from "./event-lanes.ts";
import type { PendingEvent } from "./pending-event.ts";

function pendingOf(seq: number, laneId: string, changes: Partial<PendingEvent> = {}): PendingEvent {
  const event = testEvent({ seq: BigInt(seq), key: laneId });
  const rest = { lane: undefined, next: undefined, parked: undefined, slot: undefined, alone: false };
  return { event, bytes: 10, laneId, ...rest, ...changes };
}

const seqsOf = (taken: readonly PendingEvent[]) => taken.map(({ event }) => Number(event.seq));

test("of one lane one push is under way, each lane keeps its order, and no event is lost", () => {
  const steps = fc.array(
    fc.record({
      lane: fc.constantFrom("a", "b", "c", "d"),
      alone: fc.boolean(),
      most: fc.integer({ min: 1, max: 5 }),
      ends: fc.nat(5),
    }),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(steps, (plan) => {
      const lanes = new EventLanes();
      const ended = new Map<string, number[]>();
      const underWay = new Map<string, PendingEvent[]>();
      const take = (most: number) => {
        const taken = lanes.take({ events: most, bytes: 1_000 });
        expect(taken.length).toBeLessThanOrEqual(most);
        if (taken.some(({ alone }) => alone)) expect(taken).toHaveLength(1);
        for (const [laneId, events] of Map.groupBy(taken, (pending) => pending.laneId)) {
          expect(underWay.has(laneId)).toBe(false);
          underWay.set(laneId, events);
        }
      };
      const finish = (most: number) => {
        for (const [laneId, events] of underWay) {
          const over = events.slice(0, most);
          ended.set(laneId, [...(ended.get(laneId) ?? []), ...seqsOf(over)]);
          for (const pending of events.slice(most).toReversed()) lanes.giveBack(pending);
          const lane = events[0]?.lane;
          if (lane !== undefined) lanes.reopen(lane);
          underWay.delete(laneId);
        }
      };
      for (const [index, { lane, alone, most, ends }] of plan.entries()) {
        lanes.add(pendingOf(index, lane, { alone }));
        take(most);
        if (ends > 2) finish(ends);
      }
      for (let round = 0; round < plan.length + 1; round++) {
        finish(9);
        take(5);
      }
      for (const laneId of ["a", "b", "c", "d"]) {
        const added = plan.flatMap(({ lane }, index) => (lane === laneId ? [index] : []));
        expect(ended.get(laneId) ?? []).toEqual(added);
      }
      expect([lanes.waiting, lanes.hasReady]).toEqual([0, false]);
    }),
  );
});

test("lanes take turns: one that goes on does so after all others that are ready", () => {
  const lanes = new EventLanes();
  for (const [seq, lane] of [...`aaabbc`].entries()) lanes.add(pendingOf(seq, lane));
  const order: number[] = [];
  for (let left = 6; left > 0; left--) {
    const [taken] = lanes.take({ events: 1, bytes: 1_000 });
    if (taken?.lane === undefined) break;
    order.push(Number(taken.event.seq));
    lanes.reopen(taken.lane);
  }
  expect(order).toEqual([0, 3, 5, 1, 4, 2]);
});

test("a push takes no more bytes than it may, but for one event that is larger", () => {
  const lanes = new EventLanes();
  for (const [seq, bytes] of [500, 600, 2_000, 1].entries()) lanes.add(pendingOf(seq, "a", { bytes }));
  const sizes: number[][] = [];
  for (let taken = lanes.take({ events: 9, bytes: 1_000 }); taken.length > 0; ) {
    sizes.push(seqsOf(taken));
    const lane = taken[0]?.lane;
    if (lane !== undefined) lanes.reopen(lane);
    taken = lanes.take({ events: 9, bytes: 1_000 });
  }
  expect(sizes).toEqual([[0], [1], [2], [3]]);
});

test("a lane is emptied where it waits, and what of it is under way stays so", () => {
  const lanes = new EventLanes();
  for (const [seq, lane] of [..."abcabc"].entries()) lanes.add(pendingOf(seq, lane));
  const [first] = lanes.take({ events: 1, bytes: 1_000 });
  expect(seqsOf(lanes.empty("a"))).toEqual([3]);
  expect(seqsOf(lanes.empty("b"))).toEqual([1, 4]);
  if (first?.lane !== undefined) lanes.reopen(first.lane);
  expect(seqsOf(lanes.take({ events: 9, bytes: 1_000 }))).toEqual([2, 5]);
  expect([lanes.waiting, lanes.hasReady]).toEqual([0, false]);
});
