import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventLog, LogQuery } from "./event-log.ts";
import type { LogEvent } from "./log-event.ts";
import type { LogUnderTest } from "./test-event-log-contract.ts";
import { denseAfter, idsOf, readFrom, type TestSource, takeTestSource } from "./test-source.ts";

const types = ["shop.v1.Placed", "shop.v1.Paid", "shop.v2.Placed", "bank.v1.Paid"];
const all = { types: [], typePrefixes: [] };

/** Reads: pages, filters, ends of the log, and being told. */
export function describeReads(open: () => Promise<LogUnderTest>): void {
  describe("reads", () => {
    let opened: LogUnderTest;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    test("page by page give what the whole log gives to a filter, from any process", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      for (let round = 0; round < 12; round++) await source.append(eventsOfTypes(source, round));
      const logged = await readFrom(log, before, 1_000);
      expect(logged).toHaveLength(12 * 9);
      await other.readHead();
      const asked = fc.record({
        types: fc.subarray(types),
        typePrefixes: fc.subarray(["shop.", "shop.v1.", "bank.v1.Paid", "none"]),
        limit: fc.integer({ min: 1, max: 40 }),
        after: fc.integer({ min: 0, max: 108 }),
        upTo: fc.option(fc.integer({ min: 0, max: 130 }), { nil: undefined }),
        maxBytes: fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
      });
      await fc.assert(
        fc.asyncProperty(asked, async ({ after, upTo, maxBytes, ...rest }) => {
          const query: LogQuery = {
            ...rest,
            after: before + BigInt(after),
            ...(upTo === undefined ? {} : { upTo: before + BigInt(upTo) }),
            ...(maxBytes === undefined ? {} : { maxBytes }),
          };
          const expected = logged.filter((event) => isAsked(event, query));
          expect(await readPages(log, query, before + 108n)).toEqual(expected);
          expect(await readPages(other, query, before + 108n)).toEqual(expected);
        }),
        { numRuns: 60 },
      );
    });

    test("end a page at so many bytes, after one event at least", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const payloads = [10, 20, 3_000, 5].map((length) => JSON.stringify("x".repeat(length)));
      await source.append(payloads.map((payload) => source.event({ payload })));
      await other.readHead();
      for (const reader of [log, other]) {
        const lengths = async (after: bigint) =>
          (await reader.read({ ...all, after, limit: 10, maxBytes: 50 })).events.map(
            (event) => event.payload.length,
          );
        expect(await lengths(before)).toEqual([12, 22]);
        expect(await lengths(before + 2n)).toEqual([3_002]);
        expect(await lengths(before + 3n)).toEqual([7]);
      }
    });

    test("of a type that never comes go on to the end", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      await source.append(source.events(10));
      const { seq } = await other.readHead();
      for (const reader of [log, other]) {
        const query = { after: seq - 10n, types: ["none"], typePrefixes: [], limit: 5 };
        expect(await reader.read(query)).toEqual({ events: [], scannedTo: seq });
        expect(await reader.read({ ...query, after: seq })).toEqual({ events: [], scannedTo: seq });
      }
    });

    test("by sequence give the events that are there, in order", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      await source.append(source.events(5));
      const logged = await readFrom(log, before);
      for (const reader of [log, other]) {
        const found = await reader.readEvents([before + 4n, before + 2n, before + 1_000_000n]);
        expect(found).toEqual([logged[1], logged[3]]);
        expect(await reader.readEvents([])).toEqual([]);
      }
    });

    test("begin at the floor, and at a time's first event", async () => {
      const { log } = opened;
      expect(await log.readFloor()).toBe(0n);
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const at = (year: number) => new Date(Date.UTC(year, 0, 1));
      await source.append([2101, 2100, 2102].map((year) => source.event({ committedAt: at(year) })));
      expect(await log.findSequence(at(2101))).toBe(before);
      expect(await log.findSequence(new Date(at(2101).getTime() + 1))).toBe(before + 2n);
      expect(await log.findSequence(at(2103))).toBe(before + 3n);
    });

    test("that wait to be told see everything that any process appends, once and in order", async () => {
      const { log, other } = opened;
      const { seq: before } = await log.readHead();
      const total = 2 * 40 * 3;
      const followers = [log, other].map((each) => follow(each, before, total));
      const append = async (by: EventLog) => {
        const source = await takeTestSource(by);
        for (let round = 0; round < 40; round++) await source.append(source.events(3));
      };
      await Promise.all([append(log), append(other)]);
      const [own, others] = await Promise.all(followers);
      expect(own?.map((event) => event.seq)).toEqual(denseAfter(before, total));
      expect(idsOf(others ?? [])).toEqual(idsOf(own ?? []));
    });

    test("are told of delayed events too, until nobody wants to know", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const deliverAfter = new Date(Date.now() + 3_600_000);
      await Promise.all(
        [log, other].map(async (reader) => {
          const told = Promise.withResolvers<void>();
          const stop = reader.onAppend(told.resolve);
          await source.take();
          while (!(await Promise.race([told.promise.then(() => true), appendDelayed()])));
          stop();
        }),
      );
      async function appendDelayed(): Promise<boolean> {
        const own = await takeTestSource(log);
        await own.append([own.event({ deliverAfter })]);
        return false;
      }
    });
  });
}

function eventsOfTypes(source: TestSource, round: number) {
  return Array.from({ length: 9 }, (_, index) =>
    source.event({
      type: types[(round * round + index * 7) % types.length] ?? "",
      payload: JSON.stringify("x".repeat(index * 20)),
    }),
  );
}

function isAsked(event: LogEvent, { after, upTo, types: names, typePrefixes }: LogQuery): boolean {
  if (event.seq <= after || (upTo !== undefined && event.seq > upTo)) return false;
  if (names.length === 0 && typePrefixes.length === 0) return true;
  return names.includes(event.type) || typePrefixes.some((prefix) => event.type.startsWith(prefix));
}

/** Every page has the limits that are asked for, and brings the reader on. */
async function readPages(log: EventLog, query: LogQuery, head: bigint): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  const end = query.upTo === undefined || query.upTo > head ? head : query.upTo;
  for (let after = query.after; after < end; ) {
    const page = await log.read({ ...query, after });
    expect(page.events.length).toBeLessThanOrEqual(query.limit);
    const bytes = page.events.slice(0, -1).reduce((sum, event) => sum + event.payload.length, 0);
    expect(bytes).toBeLessThanOrEqual(query.maxBytes ?? Number.POSITIVE_INFINITY);
    expect(page.scannedTo > after && page.scannedTo <= end).toBe(true);
    events.push(...page.events);
    after = page.scannedTo;
  }
  return events;
}

/** Reads as a subscription does: to the end, then when told. */
async function follow(log: EventLog, from: bigint, count: number): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  let told = Promise.withResolvers<void>();
  const stop = log.onAppend(() => told.resolve());
  for (let after = from; events.length < count; ) {
    const page = await log.read({ ...all, after, limit: 7 });
    events.push(...page.events);
    if (page.scannedTo === after) {
      await told.promise;
      told = Promise.withResolvers<void>();
    }
    after = page.scannedTo;
  }
  stop();
  return events;
}
