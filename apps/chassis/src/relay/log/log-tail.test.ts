import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogEvent } from "./log-event.ts";
import { LogTail } from "./log-tail.ts";

function event(seq: number, payload = "{}", type = "t"): LogEvent {
  return {
    seq: BigInt(seq),
    epoch: 1,
    source: "main",
    eventId: String(seq),
    type,
    key: "a",
    payload,
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date(0),
    position: undefined,
  };
}

function events(from: number, count: number): LogEvent[] {
  return Array.from({ length: count }, (_, index) => event(from + index));
}

const all = { types: [], typePrefixes: [], limit: 1_000 };

function seqsFrom(tail: LogTail, after: number): number[] | undefined {
  return tail.read({ ...all, after: BigInt(after) })?.events.map(({ seq }) => Number(seq));
}

describe("LogTail", () => {
  test("gives what follows a sequence up to the first gap, and sends readers at a gap away", () => {
    const tail = new LogTail();
    tail.add(events(5, 3));
    tail.add(events(8, 1));
    tail.add(events(11, 2));
    expect(seqsFrom(tail, 4)).toEqual([5, 6, 7, 8]);
    expect(seqsFrom(tail, 6)).toEqual([7, 8]);
    expect(seqsFrom(tail, 8)).toBe(undefined);
    expect(seqsFrom(tail, 10)).toEqual([11, 12]);
    expect(seqsFrom(tail, 12)).toBe(undefined);
    expect(seqsFrom(tail, 3)).toBe(undefined);
    expect(tail.gapTo(15n)).toEqual({ after: 8n, upTo: 10n });
    tail.add(events(9, 2));
    expect(seqsFrom(tail, 4)).toHaveLength(8);
    expect(tail.gapTo(15n)).toEqual({ after: 12n, upTo: 15n });
    expect(tail.gapTo(12n)).toBe(undefined);
  });

  test("whatever comes in whatever order, holds each event once and in order", () => {
    const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(pieces, (added) => {
        const tail = new LogTail();
        const present = new Set<number>();
        for (const [from, count] of added) {
          tail.add(events(from, count));
          for (let seq = from; seq < from + count; seq++) present.add(seq);
        }
        for (let after = 0; after <= 70; after++) {
          const expected: number[] = [];
          while (present.has(after + 1 + expected.length)) expected.push(after + 1 + expected.length);
          expect(seqsFrom(tail, after) ?? []).toEqual(expected);
          expect(tail.find(BigInt(after)) !== undefined).toBe(present.has(after));
        }
      }),
    );
  });

  test("forgets the oldest beyond its limits, of events and of bytes", () => {
    const tail = new LogTail({ maxEvents: 100, maxBytes: 1_000_000 });
    for (let seq = 1; seq <= 1_000; seq++) tail.add([event(seq)]);
    expect(tail.find(1_000n)?.seq).toBe(1_000n);
    expect(tail.find(900n)).toBe(undefined);
    expect(seqsFrom(tail, 950)).toHaveLength(50);
    tail.add([event(1_001, "x".repeat(600_000))]);
    tail.add([event(1_002, "x".repeat(600_000))]);
    expect([1_000n, 1_001n, 1_002n].map((seq) => tail.find(seq) !== undefined)).toEqual([false, false, true]);
    tail.add([event(1_003, "x".repeat(1_100_000))]);
    expect(tail.isEmpty).toBe(true);
    tail.add(events(2_000, 3));
    expect(seqsFrom(tail, 1_999)).toEqual([2_000, 2_001, 2_002]);
  });
});
