import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogEvent } from "../log/log-event.ts";
import { KeyLanes } from "./key-lanes.ts";

function eventOf(seq: number, key: string): LogEvent {
  return {
    seq: BigInt(seq),
    source: "main",
    eventId: `event-${seq}`,
    type: "test.v1.Happened",
    key,
    payload: "{}",
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date(0),
    position: undefined,
  };
}

test("of one key only the first is under way, and each key keeps its order", () => {
  const steps = fc.array(fc.record({ key: fc.constantFrom("a", "b", "c"), ends: fc.boolean() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, (plan) => {
      const lanes = new KeyLanes();
      const delivered = new Map<string, bigint>();
      const underWay = new Map<string, LogEvent>();
      const begin = () => {
        for (let event = lanes.take(); event !== undefined; event = lanes.take()) {
          expect(underWay.has(event.key)).toBe(false);
          underWay.set(event.key, event);
        }
      };
      const finish = (key: string, ended: boolean) => {
        const event = underWay.get(key);
        if (event === undefined) return;
        underWay.delete(key);
        if (!ended) return lanes.giveBack(event);
        expect(event.seq > (delivered.get(key) ?? -1n)).toBe(true);
        delivered.set(key, event.seq);
        lanes.release(event);
      };
      for (const [index, { key, ends }] of plan.entries()) {
        lanes.add(eventOf(index, key));
        begin();
        finish(key, ends);
        begin();
      }
      for (let round = 0; round < plan.length; round++) {
        for (const key of ["a", "b", "c"]) finish(key, true);
        begin();
      }
      for (const key of ["a", "b", "c"]) {
        const last = plan.findLastIndex((step) => step.key === key);
        expect(delivered.get(key)).toBe(last < 0 ? undefined : BigInt(last));
      }
    }),
  );
});
