import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogUnderTest } from "./test-event-log-contract.ts";
import { idsOf, readFrom, takeTestSource } from "./test-source.ts";

/** Who may append. */
export function describeFencing(open: () => Promise<LogUnderTest>): void {
  describe("a source", () => {
    let opened: LogUnderTest;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    test("that a greater epoch has taken refuses the former holder everywhere", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const state = await source.as(other, 2n).take();
      const { seq } = await log.readHead();
      const { fence } = source;
      const identity = { systemId: "1", timeline: 1 };
      const end = { identity, confirmed: source.lsn(), repairedTo: source.lsn(), count: 0 };
      const tried: (() => Promise<unknown>)[] = [
        () => source.append(source.events(2)),
        () => source.append(source.events(2), true),
        () => source.append([]),
        () => log.confirm(fence, source.lsn(1_000n)),
        () => log.beginRepair(fence, "a reason", true),
        () => log.appendMissing(fence, source.events(1)),
        () => log.endRepair(fence, end),
      ];
      for (const act of tried) {
        await source.as(log, 2n).take();
        // Knows the state of its own taking, as one that slept does.
        const stale = source.as(log);
        await expect(stale.take()).rejects.toMatchObject({ code: "lease_lost" });
        await expect(act()).rejects.toMatchObject({
          code: expect.stringMatching(/lease_lost|failed_precondition/),
        });
      }
      expect(await source.as(other, 2n).take()).toEqual(state);
      expect((await log.readHead()).seq).toBe(seq);
    });

    test("refuses with lease_lost what its former holder does without a word of the takeover", async () => {
      const { log, other } = opened;
      const acts = [
        (source: Awaited<ReturnType<typeof takeTestSource>>) => source.append(source.events(1)),
        (source: Awaited<ReturnType<typeof takeTestSource>>) => source.append(source.events(1), true),
        (source: Awaited<ReturnType<typeof takeTestSource>>) => source.append([]),
        (source: Awaited<ReturnType<typeof takeTestSource>>) => log.confirm(source.fence, source.lsn(9n)),
        (source: Awaited<ReturnType<typeof takeTestSource>>) =>
          log.beginRepair(source.fence, "a reason", true),
        (source: Awaited<ReturnType<typeof takeTestSource>>) =>
          log.appendMissing(source.fence, source.events(1)),
      ];
      const before = await log.readHead();
      for (const act of acts) {
        const source = await takeTestSource(log);
        await source.as(other, 7n).take();
        await expect(act(source)).rejects.toMatchObject({ code: "lease_lost" });
      }
      expect(await log.readHead()).toEqual(before);
    });

    test("is taken again by its holder, and has to be before it is appended to", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      await source.take();
      await source.append(source.events(1));
      await expect(source.as(other).append(source.events(1))).rejects.toMatchObject({
        code: "failed_precondition",
      });
      await expect(source.as(log, 2n).append(source.events(1))).rejects.toMatchObject({
        code: "failed_precondition",
      });
    });

    test("that is taken in the midst of its holder's appends gets no event twice and loses none", async () => {
      const { log, other } = opened;
      for (let round = 0; round < 20; round++) {
        const source = await takeTestSource(log);
        const { seq: before } = await log.readHead();
        const batches = Array.from({ length: 6 }, () => source.batch(source.events(5)));
        const former = (async () => {
          for (const batch of batches) await log.append(source.fence, batch);
        })().catch((error: { code: string }) => error.code);
        const next = source.as(other, 2n);
        await new Promise((resolve) => setImmediate(resolve));
        for (let pause = 0; pause < round % 5; pause++) await other.readHead();
        const { point } = await next.take();
        for (const batch of batches) {
          if (batch.point.commitLsn > point.commitLsn) await other.append(next.fence, batch);
        }
        expect([undefined, "lease_lost"]).toContain(await former);
        const own = (await readFrom(other, before)).filter((event) => event.source === source.fence.source);
        expect(idsOf(own)).toEqual(batches.flatMap((batch) => idsOf(batch.events)));
      }
    });

    test("that another object of the same epoch has moved is not moved by one that does not know", async () => {
      const { log, other } = opened;
      const source = await takeTestSource(log);
      const twin = source.as(other);
      await twin.take();
      const { seq: before } = await log.readHead();
      const events = source.events(4);
      await source.append(events);
      await expect(twin.append(events.slice(2))).rejects.toMatchObject({ code: "aborted" });
      expect(idsOf(await readFrom(other, before))).toEqual(idsOf(events));
    });
  });
}
