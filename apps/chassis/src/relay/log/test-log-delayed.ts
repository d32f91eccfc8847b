import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventLog } from "./event-log.ts";
import type { LogUnderTest } from "./test-event-log-contract.ts";
import { denseAfter, idsOf, readFrom, takeTestSource } from "./test-source.ts";

const hourMs = 3_600_000;

/** Delayed events: aside, and then in the log once. */
export function describeDelayed(open: () => Promise<LogUnderTest>): void {
  describe("delayed events", () => {
    let opened: LogUnderTest;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    test("get their places when they are due, in that order, beside events that are not delayed", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const now = Date.now();
      const due = (ms: number) => source.event({ deliverAfter: new Date(now + ms) });
      const [late, soon, past, plain] = [due(400), due(200), due(-1_000), source.event()];
      await source.append([late, soon, past, plain]);
      expect(idsOf(await readFrom(log, before))).toEqual(idsOf([past, plain]));
      const [, second] = [await log.releaseDue(10), await releaseUntil(log, 2)];
      expect(second.nextDue).toBe(undefined);
      const events = await readFrom(log, before);
      expect(idsOf(events)).toEqual(idsOf([past, plain, soon, late]));
      expect(events.map((event) => event.seq)).toEqual(denseAfter(before, 4));
      expect(events[2]?.committedAt).toEqual(soon.committedAt);
    });

    test("tell when the next one is due, so many at a time", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const far = new Date(Date.now() + hourMs);
      const soon = new Date(Date.now() + 150);
      await source.append([
        source.event({ deliverAfter: far }),
        ...source.events(3).map((event) => ({ ...event, deliverAfter: soon })),
      ]);
      const before = await log.releaseDue(10);
      expect(before.released).toBe(0);
      expect(Math.abs((before.nextDue?.getTime() ?? 0) - soon.getTime())).toBeLessThan(100);
      await delay(200);
      const first = await log.releaseDue(2);
      expect(first.released).toBe(2);
      expect(first.nextDue?.getTime()).toBeLessThanOrEqual(Date.now());
      const second = await other.releaseDue(2);
      expect(second.released).toBe(1);
      expect(Math.abs((second.nextDue?.getTime() ?? 0) - far.getTime())).toBeLessThan(1_000);
    });

    test("are released once, in order, however many release them at once", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const soon = Date.now() + 100;
      const events = Array.from({ length: 120 }, (_, i) =>
        source.event({ deliverAfter: new Date(soon + i) }),
      );
      await source.append([...events].reverse());
      await delay(250);
      let released = 0;
      const release = async (by: EventLog) => {
        for (let count = 1; count > 0; released += count) count = (await by.releaseDue(7)).released;
      };
      const beside = await takeTestSource(other);
      const appends = (async () => {
        for (let round = 0; round < 20; round++) await beside.append(beside.events(2));
      })();
      await Promise.all([log, other, log, other].map(release));
      await appends;
      expect(released).toBe(120);
      const own = (await readFrom(log, before)).filter((event) => event.source === source.fence.source);
      expect(idsOf(own)).toEqual(idsOf(events));
      expect((await readFrom(other, before)).map((event) => event.seq)).toEqual(denseAfter(before, 160));
    });

    test("are known by their ids while they wait, and after", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const delayed = source.event({ deliverAfter: new Date(Date.now() + 150) });
      await source.append([delayed]);
      await source.append([delayed], true);
      expect(await log.appendMissing(source.fence, [delayed])).toBe(0);
      await releaseUntil(log, 1);
      expect(await log.appendMissing(source.fence, [delayed])).toBe(0);
      await source.append([delayed, { ...delayed, deliverAfter: undefined }], true);
      expect(idsOf(await readFrom(log, before))).toEqual([delayed.eventId]);
    });

    test("that are published again while they wait hold nothing up, and are placed once", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const delayed = source.event({ deliverAfter: new Date(Date.now() + 150) });
      const [one, two] = source.events(2);
      await source.append([delayed, ...(one ? [one] : [])]);
      // Its row was dropped from the outbox, by retention or by hand, and made again.
      await source.append([{ ...delayed, deliverAfter: new Date(Date.now() + 200) }, ...(two ? [two] : [])]);
      await releaseUntil(log, 1);
      expect(idsOf(await readFrom(log, before))).toEqual([one?.eventId, two?.eventId, delayed.eventId]);
    });

    test("that a repair finds wait as others do", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq } = await log.readHead();
      const delayed = source.event({ deliverAfter: new Date(Date.now() + hourMs) });
      expect(await log.appendMissing(source.fence, [delayed])).toBe(1);
      expect((await log.readHead()).seq).toBe(seq);
    });
  });
}

/** Releases until so many were. */
async function releaseUntil(log: EventLog, count: number): ReturnType<EventLog["releaseDue"]> {
  for (let total = 0; ; ) {
    const release = await log.releaseDue(100);
    total += release.released;
    if (total >= count) return release;
    await delay(10);
  }
}
