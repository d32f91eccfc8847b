import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogBatch } from "../log/event-log.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import { type Lsn, toLsn, zeroLsn } from "../replication/lsn.ts";
import type { CapturedRow, TransactionPart } from "../replication/transaction-part.ts";
import { createCaptureBatch, type LogPlace } from "./capture-batch.ts";
import { toCapturedEvent } from "./captured-event.ts";

const toEvent = (row: CapturedRow, part: TransactionPart): CapturedEvent =>
  toCapturedEvent(row.values, { source: "main", committedAt: part.commitTime, position: undefined });

/** The part of a transaction of `size` rows that begins at `first` and has `count`. The transaction's number is its LSN / 100. */
function createPart(number: number, size: number, first: number, count: number): TransactionPart {
  const rows = Array.from({ length: Math.min(count, size - first) }, (_, row) => ({
    relation: "quartet.outbox",
    values: { id: `${number}/${first + row}` },
  }));
  const commitLsn = toLsn(BigInt(number) * 100n);
  const isLast = first + count >= size;
  return {
    commitLsn,
    commitEndLsn: isLast ? toLsn(commitLsn + 50n) : undefined,
    commitTime: new Date(0),
    firstRow: first,
    rows,
  };
}

/** All parts of transactions from a number on, cut every `cut` rows. */
function createStream(sizes: readonly number[], from: number, cut: number): TransactionPart[] {
  return sizes.flatMap((size, index) => {
    if (index + 1 < from) return [];
    const starts = Array.from({ length: Math.ceil(size / cut) }, (_, part) => part * cut);
    return starts.map((first) => createPart(index + 1, size, first, cut));
  });
}

/** A log as its contract says: drops known ids where it is asked to look, and nowhere else. */
class ModelLog {
  readonly ids: string[] = [];
  place: LogPlace = { point: { commitLsn: zeroLsn, rows: 0 }, confirmed: zeroLsn };

  append(batch: LogBatch): void {
    for (const { eventId } of batch.events) {
      if (!batch.checkIds || !this.ids.includes(eventId)) this.ids.push(eventId);
    }
    this.place = batch;
  }
}

const run = fc.record({
  /** Of all that was acknowledged, how much the slot remembers: a server that crashed remembers less. */
  remembered: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.integer({ min: 1, max: 7 }),
  parts: fc.integer({ min: 1, max: 5 }),
  /** Batches until the connection is lost. */
  batches: fc.integer({ min: 0, max: 6 }),
});

test("whatever the slot repeats and wherever it is cut, each event is appended once, in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 }),
      fc.array(run, { maxLength: 5 }),
      (sizes, runs) => {
        const log = new ModelLog();
        let acknowledged: Lsn = zeroLsn;
        for (const { remembered, cut, parts, batches } of [...runs, lastRun]) {
          const from = Math.floor((Number(acknowledged) / 100) * remembered) + 1;
          const stream = createStream(sizes, from, cut);
          const checkTo = toLsn(log.place.point.commitLsn - 1n);
          for (let batch = 0; batch < batches && stream.length > 0; batch++) {
            const made = createCaptureBatch(stream.splice(0, parts), log.place, checkTo, toEvent);
            log.append(made);
            if (made.acknowledge !== undefined && made.acknowledge > acknowledged)
              acknowledged = made.acknowledge;
            expect(acknowledged <= log.place.confirmed).toBe(true);
          }
        }
        expect(log.ids).toEqual(sizes.flatMap((size, index) => idsOf(index + 1, size)));
      },
    ),
  );
});

const lastRun = { remembered: 1, cut: 3, parts: 2, batches: 1_000 };

function idsOf(number: number, size: number): string[] {
  return Array.from({ length: size }, (_, row) => `${number}/${row}`);
}

test("confirmed moves with the end of a transaction alone", () => {
  const place: LogPlace = { point: { commitLsn: zeroLsn, rows: 0 }, confirmed: toLsn(7n) };
  const middle = createCaptureBatch([createPart(1, 10, 0, 4)], place, zeroLsn, toEvent);
  expect(middle).toMatchObject({
    confirmed: 7n,
    acknowledge: undefined,
    point: { commitLsn: 100n, rows: 4 },
  });
  const end = createCaptureBatch([createPart(1, 10, 4, 6)], middle, zeroLsn, toEvent);
  expect(end).toMatchObject({ confirmed: 150n, acknowledge: 150n, point: { commitLsn: 100n, rows: 10 } });
});

test("a repeated transaction is acknowledged as far as it goes, not as far as the log is", () => {
  const place: LogPlace = { point: { commitLsn: toLsn(900n), rows: 1 }, confirmed: toLsn(950n) };
  const batch = createCaptureBatch([createPart(1, 1, 0, 1)], place, toLsn(899n), toEvent);
  expect(batch).toMatchObject({ acknowledge: 150n, confirmed: 950n, checkIds: true, point: place.point });
});
