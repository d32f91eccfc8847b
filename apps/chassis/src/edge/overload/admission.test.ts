import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { Admission, type AdmissionBounds, type Lane, type Leave } from "./admission.ts";
import type { LoadSample } from "./load-signals.ts";

const calm: LoadSample = { loop: { delayMs: 0, utilization: 0 }, pools: {}, congestion: [] };
const small: AdmissionBounds = {
  work: { min: 1, initial: 1, max: 1 },
  line: { min: 2, max: 2 },
  ...{ operation: 2, waiting: 3, maxWaitMs: 5_000 },
};

function open(bounds: Partial<AdmissionBounds> = {}) {
  const admission = new Admission(() => calm, { ...small, ...bounds });
  const log: string[] = [];
  const enter = (lane: Lane, name: string, signal = new AbortController().signal, timeoutMs = 60_000) => {
    const entered = admission.enter(lane, Date.now() + timeoutMs, signal);
    entered.then(
      () => log.push(`${name} in`),
      (error: { code: string }) => log.push(`${name} ${error.code}`),
    );
    return entered;
  };
  return { admission, log, enter };
}

/** Lets what is due happen: the line moves in a later turn of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Leaves one after another as they are let in, until nobody waits. */
async function drain(first: Promise<Leave>, others: readonly Promise<Leave>[]): Promise<void> {
  (await first)();
  await Promise.all(
    others.map((other) =>
      other.then(
        (leave) => leave(),
        () => undefined,
      ),
    ),
  );
}

describe("Admission", () => {
  test("lets in up to its limit, lines up a bounded number, and refuses the rest at once", async () => {
    const { log, enter, admission } = open();
    const entered = ["a", "b", "c", "d", "e"].map((name) => enter("command", name));
    await settle();
    expect(log).toEqual(["a in", "d unavailable", "e unavailable"]);
    expect(admission.describe()).toMatchObject({
      inFlight: 1,
      queued: { command: 2 },
      refused: { command: 2 },
    });
    await drain(entered[0] as Promise<Leave>, entered.slice(1));
    expect(log.slice(3)).toEqual(["b in", "c in"]);
    expect(admission.describe()).toMatchObject({ inFlight: 0, queued: { query: 0, command: 0, push: 0 } });
  });

  test("tells who is refused when to come again", async () => {
    const { enter } = open({ line: { min: 0, max: 0 } });
    await enter("query", "a");
    await expect(enter("query", "b")).rejects.toMatchObject({ code: "unavailable", retryAfterSeconds: 1 });
  });

  test("refuses the latest of the least important for one that is more so, and lets in by importance", async () => {
    const { log, enter } = open({ line: { min: 3, max: 3 } });
    const lanes: [Lane, string][] = [
      ["query", "inside"],
      ["query", "q1"],
      ["query", "q2"],
      ["command", "c"],
      ["push", "p"],
      ["query", "q3"],
    ];
    const [first, ...others] = lanes.map(([lane, name]) => enter(lane, name));
    await settle();
    expect(log).toEqual(["inside in", "q2 unavailable", "q3 unavailable"]);
    await drain(first as Promise<Leave>, others);
    expect(log.slice(3)).toEqual(["p in", "c in", "q1 in"]);
  });

  test("gives the least important one turn in eight, so that nothing starves it", async () => {
    const { log, enter } = open({ line: { min: 30, max: 30 } });
    const first = enter("command", "inside");
    const others = [
      enter("query", "q"),
      ...Array.from({ length: 20 }, (_, at) => enter("command", `c${at}`)),
    ];
    await drain(first, others);
    expect(log.indexOf("q in")).toBeLessThanOrEqual(8);
  });

  test("keeps places of their own for operations and for those that await one", async () => {
    const { log, enter } = open();
    await enter("push", "work");
    for (const name of ["o1", "o2", "o3"]) enter("operation", name);
    for (const name of ["w1", "w2", "w3", "w4"]) enter("waiting", name);
    await settle();
    expect(log.toSorted()).toEqual([
      "o1 in",
      "o2 in",
      "o3 unavailable",
      "w1 in",
      "w2 in",
      "w3 in",
      "w4 unavailable",
      "work in",
    ]);
  });

  test("begins nothing whose client has gone or whose time is over while it waits", async () => {
    const { log, enter, admission } = open();
    const gone = new AbortController();
    const leave = await enter("query", "inside");
    const waiting = [enter("query", "gone", gone.signal), enter("query", "late", undefined, 50)];
    gone.abort();
    await Promise.allSettled(waiting);
    expect(log.slice(1)).toEqual(["gone canceled", "late deadline_exceeded"]);
    leave();
    await settle();
    expect(admission.describe()).toMatchObject({ inFlight: 0, queued: { query: 0 } });
  });

  test("lets nobody wait for longer than is of use", async () => {
    const { log, enter } = open({ maxWaitMs: 50 });
    await enter("query", "inside");
    await Promise.allSettled([enter("query", "second")]);
    expect(log).toEqual(["inside in", "second unavailable"]);
  });

  test("lowers its limit while something is congested, and raises it again", async () => {
    let sample = calm;
    const work = { min: 4, initial: 20, max: 40 };
    const admission = new Admission(() => sample, { ...small, work, line: { min: 100, max: 100 } });
    const { signal } = new AbortController();
    const press = async () => {
      const entered = Array.from({ length: 60 }, () => admission.enter("query", Date.now() + 60_000, signal));
      await delay(110);
      await Promise.all(entered.map((each) => each.then((leave) => leave())));
      return admission.describe().limit;
    };
    sample = { ...calm, congestion: ["event loop"] };
    const lowered = [await press(), await press(), await press()];
    expect(lowered.at(-1)).toBeLessThan(20);
    sample = calm;
    const raised = [await press(), await press(), await press()];
    expect(raised.at(-1)).toBeGreaterThan(lowered.at(-1) ?? 0);
  });
});

describe("AdaptiveLimit", () => {
  test("moves within its bounds, and not for the congestion of others", () => {
    const limit = new AdaptiveLimit({ min: 5, initial: 50, max: 100 });
    limit.observe(true, 3);
    expect(limit.value).toBe(50);
    for (let at = 0; at < 50; at++) limit.observe(true, limit.value);
    expect(limit.value).toBe(5);
    limit.observe(false, 2);
    expect(limit.value).toBe(5);
    for (let at = 0; at < 100; at++) limit.observe(false, limit.value);
    expect(limit.value).toBe(100);
  });
});
