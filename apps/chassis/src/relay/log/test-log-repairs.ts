import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogUnderTest } from "./test-event-log-contract.ts";
import { idsOf, readFrom, takeTestSource } from "./test-source.ts";

const identity = { systemId: "7445566778899001122", timeline: 3 };

/** Repairs: begun, remembered, ended. */
export function describeRepairs(open: () => Promise<LogUnderTest>): void {
  describe("a repair", () => {
    let opened: LogUnderTest;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    test("is due from its beginning to its end, whoever takes the source", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      expect((await source.take()).repairDue).toBe(undefined);
      await source.append(source.events(1));
      await log.beginRepair(source.fence, "the slot is missing", false);
      const next = source.as(other, 2n);
      expect(await next.take()).toMatchObject({ repairDue: "the slot is missing", lastEventId: undefined });
      await other.beginRepair(next.fence, "again", false);
      const [confirmed, repairedTo] = [next.lsn(-90n), next.lsn(500n)];
      await other.endRepair(next.fence, { identity, confirmed, repairedTo, count: 1 });
      expect(await next.take()).toEqual({
        identity,
        point: { commitLsn: confirmed, rows: 0 },
        confirmed,
        repairedTo,
        lastEventId: undefined,
        repairDue: undefined,
      });
    });

    test("appends what is missing, in its order, and counts it", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const known = source.events(3);
      await source.append(known);
      await log.beginRepair(source.fence, "a reason", false);
      const [a, b] = [source.event(), source.event()];
      const last = known[2] as (typeof known)[number];
      expect(await log.appendMissing(source.fence, [a, ...known.slice(0, 2), b, a, last])).toBe(2);
      expect(await log.appendMissing(source.fence, [a, b])).toBe(0);
      expect(await log.appendMissing(source.fence, [])).toBe(0);
      expect(idsOf(await readFrom(log, before))).toEqual(idsOf([...known, a, b]));
      expect((await source.take()).lastEventId).toBe(b.eventId);
    });

    test("lets the source go on from where it ended, with nothing twice", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before } = await log.readHead();
      const missed = source.events(3);
      await log.beginRepair(source.fence, "a reason", false);
      await log.appendMissing(source.fence, missed);
      const confirmed = source.lsn(10n);
      await log.endRepair(source.fence, { identity, confirmed, repairedTo: source.lsn(500n), count: 3 });
      const later = source.events(2);
      await source.append([...missed, ...later.slice(0, 1)], true);
      await source.append(later.slice(1));
      expect(idsOf(await readFrom(log, before))).toEqual(idsOf([...missed, ...later]));
    });

    test("of a log that was restored gives what follows an epoch of its own", async () => {
      const { log } = opened;
      const source = await takeTestSource(log);
      const { seq: before, epoch } = await log.readHead();
      await source.append(source.events(1));
      await log.beginRepair(source.fence, "a reason", false);
      expect((await log.readHead()).epoch).toBe(epoch);
      await log.beginRepair(source.fence, "the log was restored", true);
      await log.appendMissing(source.fence, source.events(1));
      await source.append(source.events(1));
      expect((await log.readHead()).epoch).toBe(epoch + 1);
      const events = await readFrom(log, before);
      expect(events.map((event) => event.epoch)).toEqual([epoch, epoch + 1, epoch + 1]);
    });
  });
}
