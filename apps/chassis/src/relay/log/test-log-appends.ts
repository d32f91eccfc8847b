import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogUnderTest } from "./test-event-log-contract.ts";
import { denseAfter, idsOf, readFrom, type TestSource, takeTestSource } from "./test-source.ts";

/** Appends: order, density, once each. */
export function describeAppends(open: () => Promise<LogUnderTest>): void {
  describe("appends", () => {
    let opened: LogUnderTest;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    test("give events dense sequences in the order they are handed over, for every process to read", async () => {
      const { log, other } = opened;
      const { seq: before, epoch } = await log.readHead();
      const source = await takeTestSource(log);
      const full = source.event({
        causationId: "c",
        correlationId: "r",
        traceparent: "00-0-0-01",
        position: "1-1-0/0",
        payload: JSON.stringify({ long: "ü€𝄞\\\"'{},".repeat(500) }),
      });
      const events = [full, ...source.events(1), ...source.events(300)];
      await source.append(events.slice(0, 2));
      await source.append(events.slice(2));
      const logged = events.map(({ deliverAfter: _, ...event }, index) => ({
        ...event,
        seq: before + BigInt(index) + 1n,
        epoch,
      }));
      expect(await readFrom(log, before)).toEqual(logged);
      expect(await readFrom(other, before)).toEqual(logged);
      expect(await log.readHead()).toEqual({ seq: before + 302n, epoch });
    });

    test("give an event without a position its cause's, over any number of hops", async () => {
      const { log, other } = opened;
      const { seq: before } = await log.readHead();
      const [main, events] = [await takeTestSource(log), await takeTestSource(log)];
      const cause = main.event({ position: "1-1-0/A" });
      await main.append([cause]);
      const first = events.event({ causationId: cause.eventId });
      await events.append([first]);
      const second = events.event({ causationId: first.eventId });
      const own = events.event({ causationId: cause.eventId, position: "1-1-0/B" });
      const free = events.event({ causationId: "no id of an event" });
      await events.append([second, own, free]);
      const positions = ["1-1-0/A", "1-1-0/A", "1-1-0/A", "1-1-0/B", undefined];
      for (const reader of [log, other]) {
        await reader.readHead();
        expect((await readFrom(reader, before)).map(({ position }) => position)).toEqual(positions);
      }
    });

    test("of several sources and processes at once show no event before those below it", async () => {
      const { log, other } = opened;
      const { seq: before } = await log.readHead();
      const sources = await Promise.all([log, log, other, other].map((each) => takeTestSource(each)));
      let done = false;
      const follow = async (reader: typeof log) => {
        const seen: bigint[] = [];
        for (let after = before; ; ) {
          const ended = done && after >= (await reader.readHead()).seq;
          if (ended) return seen;
          await reader.readHead();
          const page = await reader.read({ after, types: [], typePrefixes: [], limit: 30 });
          seen.push(...page.events.map((event) => event.seq));
          after = page.scannedTo;
        }
      };
      const readers = [follow(log), follow(other)];
      await Promise.all(sources.map((source) => appendRounds(source, 25)));
      done = true;
      const expected = denseAfter(before, 4 * 25 * 3);
      expect(await Promise.all(readers)).toEqual([expected, expected]);
      for (const source of sources) {
        const own = (await readFrom(log, before)).filter((event) => event.source === source.fence.source);
        expect(own.map((event) => event.key)).toEqual(Array.from({ length: 75 }, (_, i) => String(i)));
      }
    });

    test("of a batch that comes again change nothing", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const batch = await source.append(source.events(3));
      await source.append(source.events(2));
      await log.append(source.fence, batch);
      await log.append(source.fence, { ...batch, point: { ...batch.point, rows: 1 } });
      expect((await log.readHead()).seq).toBe(before + 5n);
    });

    test("of the rest of a transaction follow the rows that are there", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const events = source.events(4);
      const first = source.batch(events.slice(0, 2));
      await log.append(source.fence, first);
      await log.append(source.fence, {
        ...first,
        events: events.slice(2),
        point: { ...first.point, rows: 4 },
      });
      expect(idsOf(await readFrom(log, before))).toEqual(idsOf(events));
      expect((await source.take()).point).toEqual({ ...first.point, rows: 4 });
    });

    test("that look for ids leave out what is known, wherever the source stands", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const known = source.events(3);
      const { point } = await source.append(known);
      const [a, b] = [source.event(), source.event()];
      await source.append([...known, a, a], true);
      await source.append([...known, a], true);
      // As far back as it may be: the point stays.
      await log.append(source.fence, { ...source.batch([b, ...known], true), point });
      expect(idsOf(await readFrom(log, before))).toEqual(idsOf([...known, a, b]));
      expect((await source.take()).point.commitLsn).toBe(source.lsn(-100n));
    });

    test("of the same event twice in a batch place it once", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const [a, b] = [source.event(), source.event()];
      await source.append([a, b, a]);
      expect(idsOf(await readFrom(log, before))).toEqual(idsOf([a, b]));
    });

    test("of nothing move the source on", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq } = await log.readHead();
      const { point, confirmed } = await source.append([]);
      expect(await source.take()).toMatchObject({ point, confirmed, lastEventId: undefined });
      expect((await log.readHead()).seq).toBe(seq);
    });

    test("and confirmations are told to whoever takes the source next", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const events = source.events(2);
      const { point, confirmed } = await source.append(events);
      const lastEventId = events[1]?.eventId;
      const next = source.as(other, 2n);
      expect(await next.take()).toMatchObject({ point, confirmed, lastEventId, identity: undefined });
      await other.confirm(next.fence, source.lsn(70n));
      await other.confirm(next.fence, source.lsn(10n));
      expect(await next.take()).toMatchObject({ point, confirmed: source.lsn(70n) });
    });

    test("whose connection breaks are done wholly or not at all", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const all: string[] = [];
      let failed = 0;
      for (let round = 0; round < 30; round++) {
        const events = source.events(20);
        all.push(...idsOf(events));
        const batch = source.batch(events);
        const broken = round % 3 === 0 ? undefined : opened.breakConnections();
        const outcome = await log.append(source.fence, batch).then(
          () => "done",
          (error: { code: string }) => error.code,
        );
        await broken;
        if (outcome === "done") continue;
        failed++;
        await expect(log.append(source.fence, batch)).rejects.toMatchObject({ code: "failed_precondition" });
        const { point } = await takeAgain(source);
        const placed = (await readFrom(other, before)).filter((event) => all.includes(event.eventId));
        expect([all.length, all.length - 20]).toContain(placed.length);
        expect(point.commitLsn === batch.point.commitLsn).toBe(placed.length === all.length);
        await log.append(source.fence, batch);
      }
      expect(failed).toBeGreaterThan(0);
      expect(idsOf(await readFrom(log, before))).toEqual(all);
    });
  });
}

async function appendRounds(source: TestSource, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await source.append([0, 1, 2].map((index) => source.event({ key: String(round * 3 + index) })));
  }
}

/** A connection that was broken may be handed out once more. */
async function takeAgain(source: TestSource): ReturnType<TestSource["take"]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await source.take();
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}
