import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../../cluster/postgres/test-database.ts";
import type { Lease } from "./lease.ts";
import { leaseSql } from "./lease-ddl.ts";
import { type LeaseSettings, type LeaseStopPoint, type LeaseTick, runLeases } from "./run-leases.ts";

const names = ["capture/main", "capture/events", "housekeeping", "subscription/a", "subscription/b"];
const waitMs = 20_000;
const logger = pino({ level: "silent" });
let database: TestDatabase;
let open: Keeper[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  await database.query("create schema quartet");
  for (const statement of leaseSql) await database.query(statement);
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.query("truncate quartet.relay_lease, quartet.relay_process"));
afterEach(async () => {
  const keepers = open;
  open = [];
  await Promise.all(keepers.map((keeper) => keeper.stop()));
});

/** A keeper of this test, and what it runs. */
interface Keeper {
  readonly process: string;
  /** Leases whose signal has not aborted. */
  readonly active: ReadonlyMap<string, Lease>;
  readonly ticks: readonly LeaseTick[];
  /** Names whose work goes on after its signal has aborted, until they are taken away from here. */
  readonly lingering: Set<string>;
  stop(): Promise<void>;
}

/** Every run of every keeper, to be checked as it begins. */
class Watch {
  readonly active = new Map<string, Lease>();
  readonly epochs = new Map<string, bigint[]>();
  readonly faults: string[] = [];

  begin(process: string, lease: Lease): void {
    const other = this.active.get(lease.name);
    if (other !== undefined) this.faults.push(`${process} runs ${lease.name} beside epoch ${other.epoch}`);
    const epochs = this.epochs.get(lease.name) ?? [];
    if ((epochs.at(-1) ?? 0n) >= lease.epoch) this.faults.push(`${lease.name} got ${lease.epoch} again`);
    this.epochs.set(lease.name, [...epochs, lease.epoch]);
    this.active.set(lease.name, lease);
    const end = () => {
      if (this.active.get(lease.name) === lease) this.active.delete(lease.name);
    };
    lease.signal.addEventListener("abort", end, { once: true });
  }
}

function keep(process: string, watch: Watch, settings: Partial<LeaseSettings> = {}): Keeper {
  const controller = new AbortController();
  const active = new Map<string, Lease>();
  const lingering = new Set<string>();
  const ticks: LeaseTick[] = [];
  const running = runLeases(
    {
      url: database.url(),
      process,
      wanted: () => names,
      logger,
      ttlMs: 600,
      renewMs: 60,
      onTick: (tick) => ticks.push(tick),
      run: async (lease) => {
        watch.begin(process, lease);
        active.set(lease.name, lease);
        await new Promise<void>((resolve) => lease.signal.addEventListener("abort", () => resolve()));
        if (active.get(lease.name) === lease) active.delete(lease.name);
        while (lingering.has(lease.name)) await delay(10);
      },
      ...settings,
    },
    controller.signal,
  );
  const stop = async () => {
    controller.abort();
    await running;
  };
  const keeper = { process, active, ticks, lingering, stop };
  open.push(keeper);
  return keeper;
}

async function holding(keeper: Keeper, count: number): Promise<void> {
  await expect.poll(() => keeper.active.size, { timeout: waitMs, interval: 5 }).toBe(count);
}

/** Holds whoever comes to one of these points, until it is opened. */
function gate(...points: LeaseStopPoint[]) {
  let closed = false;
  let waiting = 0;
  let opened = Promise.withResolvers<void>();
  return {
    close: () => {
      closed = true;
    },
    open: () => {
      closed = false;
      opened.resolve();
      opened = Promise.withResolvers<void>();
    },
    reached: () => expect.poll(() => waiting, { timeout: waitMs, interval: 5 }).toBe(1),
    stopAt: async (point: LeaseStopPoint) => {
      if (!closed || !points.includes(point)) return;
      waiting += 1;
      await opened.promise;
      waiting -= 1;
    },
  };
}

describe("leases", () => {
  test("are all held by a process that is alone", async () => {
    const one = keep("one", new Watch());
    await holding(one, names.length);
    const rows = await database.query<{ holder: string }>("select holder from quartet.relay_lease");
    expect(rows).toEqual(names.map(() => ({ holder: "one" })));
  });

  test("are shared anew when a process comes, and nothing moves after that", async () => {
    const watch = new Watch();
    const one = keep("one", watch);
    await holding(one, 5);
    const two = keep("two", watch);
    await holding(two, 2);
    await holding(one, 3);
    const begun = [...watch.epochs.values()].flat().length;
    const seen = one.ticks.length;
    await expect.poll(() => one.ticks.length, { timeout: waitMs }).toBeGreaterThan(seen + 10);
    expect([...watch.epochs.values()].flat()).toHaveLength(begun);
    expect([one, two].map((keeper) => kindsOf(keeper).filter((kind) => kind === "capture").length)).toEqual([
      1, 1,
    ]);
    expect(watch.faults).toEqual([]);
  });

  test("are not shared with a process that does not know yet what is wanted", async () => {
    const one = keep("one", new Watch());
    await holding(one, names.length);
    const two = keep("two", new Watch(), { wanted: () => undefined });
    const renewals = "select from pg_stat_activity where application_name = 'quartet relay leases'";
    await expect.poll(async () => (await database.query(renewals)).length, { timeout: waitMs }).toBe(2);
    const seen = one.ticks.length;
    await expect.poll(() => one.ticks.length, { timeout: waitMs }).toBeGreaterThan(seen + 10);
    expect(one.active.size).toBe(names.length);
    expect(two.active.size).toBe(0);
  });

  test("of a process that stops are another's before they could expire", async () => {
    const watch = new Watch();
    const one = keep("one", watch, { ttlMs: 60_000, renewMs: 50 });
    await holding(one, 5);
    const two = keep("two", watch, { ttlMs: 60_000, renewMs: 50 });
    await holding(two, 2);
    await one.stop();
    await holding(two, 5);
    expect(await database.query("select process from quartet.relay_process")).toEqual([{ process: "two" }]);
    expect(watch.faults).toEqual([]);
  });

  test("are not freed while their work still ends, and the others are", async () => {
    const watch = new Watch();
    const one = keep("one", watch, { ttlMs: 60_000, renewMs: 50 });
    await holding(one, 5);
    one.lingering.add("subscription/a");
    const two = keep("two", watch, { ttlMs: 60_000, renewMs: 50 });
    const stopped = one.stop();
    await holding(two, 4);
    expect(two.active.has("subscription/a")).toBe(false);
    one.lingering.clear();
    await stopped;
    await holding(two, 5);
  });

  test("are freed all the same when their work does not end within the limit", async () => {
    const watch = new Watch();
    const one = keep("one", watch, { ttlMs: 60_000, renewMs: 50, endLimitMs: 100 });
    await holding(one, 5);
    for (const name of names) one.lingering.add(name);
    const two = keep("two", watch, { ttlMs: 60_000, renewMs: 50 });
    await holding(two, 2);
    await holding(one, 3);
    one.lingering.clear();
    expect(watch.faults).toEqual([]);
  });

  test("that nobody wants any more are given back and dropped", async () => {
    let wanted = names;
    const one = keep("one", new Watch(), { wanted: () => wanted });
    await holding(one, 5);
    wanted = ["capture/main"];
    await holding(one, 1);
    const rows = () => database.query("select name from quartet.relay_lease");
    await expect.poll(rows, { timeout: waitMs }).toEqual([{ name: "capture/main" }]);
  });

  test("grow in epoch even when their row was dropped in between", async () => {
    const watch = new Watch();
    for (let round = 0; round < 3; round++) {
      const one = keep(`one ${round}`, watch);
      await holding(one, 5);
      await one.stop();
      await database.query("delete from quartet.relay_lease");
    }
    expect(watch.epochs.get("housekeeping")).toHaveLength(3);
    expect(watch.faults).toEqual([]);
  });

  test("whose work ends by itself or throws are given back, not taken again at once, and the rest goes on", async () => {
    const watch = new Watch();
    const runs: string[] = [];
    const run = async (lease: Lease) => {
      runs.push(lease.name);
      if (lease.name === "subscription/a") throw new Error("a part that fails");
      if (lease.name === "subscription/b") return;
      watch.begin("one", lease);
      await new Promise<void>((resolve) => lease.signal.addEventListener("abort", () => resolve()));
    };
    const one = keep("one", watch, { run, ttlMs: 60_000, renewMs: 50 });
    const free = () => database.query("select name from quartet.relay_lease where holder is null order by 1");
    await expect
      .poll(free, { timeout: waitMs })
      .toEqual([{ name: "subscription/a" }, { name: "subscription/b" }]);
    const seen = one.ticks.length;
    await expect.poll(() => one.ticks.length, { timeout: waitMs }).toBeGreaterThan(seen + 5);
    expect(runs.toSorted()).toEqual(names.toSorted());
    expect(watch.active.size).toBe(3);
  });
});

describe("a process that is held up", () => {
  test("has aborted all it held when another begins it", async () => {
    const [watch, stop] = [new Watch(), gate("before renewal")];
    const one = keep("one", watch, { stopAt: stop.stopAt });
    await holding(one, 5);
    stop.close();
    const two = keep("two", watch);
    await holding(two, 5);
    expect(one.active.size).toBe(0);
    stop.open();
    await holding(one, 2);
    expect(watch.faults).toEqual([]);
  });

  test("does not count a renewal from when its answer came", async () => {
    const [watch, stop] = [new Watch(), gate("after renewal")];
    const one = keep("one", watch, { stopAt: stop.stopAt });
    await holding(one, 5);
    stop.close();
    await stop.reached();
    await holding(one, 0);
    stop.open();
    await holding(one, 5);
    expect(watch.faults).toEqual([]);
  });

  test("does not begin what it claimed too long ago", async () => {
    const [watch, stop] = [new Watch(), gate("after claim")];
    stop.close();
    const one = keep("one", watch, { stopAt: stop.stopAt });
    await stop.reached();
    const two = keep("two", watch);
    await holding(two, 5);
    stop.open();
    await holding(one, 2);
    expect(watch.faults).toEqual([]);
  });

  test("by a lock that its renewal waits for gives that up in time", async () => {
    const watch = new Watch();
    const one = keep("one", watch);
    await holding(one, 5);
    const locker = await database.connect();
    await locker.query("begin; lock table quartet.relay_lease in access exclusive mode");
    await holding(one, 0);
    await locker.query("rollback");
    await holding(one, 5);
    expect(watch.faults).toEqual([]);
  });
});

test("a process whose connections are cut goes on with all it held", async () => {
  const watch = new Watch();
  const one = keep("one", watch, { ttlMs: 10_000, renewMs: 50 });
  await holding(one, 5);
  for (let round = 0; round < 5; round++) {
    const ticks = one.ticks.length;
    await database.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'quartet relay leases'",
    );
    await expect.poll(() => one.ticks.length, { timeout: waitMs }).toBeGreaterThan(ticks + 1);
  }
  expect([...watch.epochs.values()].map((epochs) => epochs.length)).toEqual([1, 1, 1, 1, 1]);
});

test("whoever is held up wherever and for however long, no two ever have the same lease", async () => {
  const watch = new Watch();
  let calm = false;
  const stopAt = async () => {
    if (!calm && Math.random() < 0.15) await delay(Math.random() * 500);
  };
  const settings = { ttlMs: 250, renewMs: 40, stopAt };
  const keepers = ["one", "two", "three"].map((process) => keep(process, watch, settings));
  for (let round = 0; round < 6; round++) {
    await delay(400);
    const [gone] = keepers.splice(round % keepers.length, 1);
    await gone?.stop();
    keepers.push(keep(`next ${round}`, watch, settings));
  }
  calm = true;
  await expect.poll(() => watch.active.size, { timeout: waitMs }).toBe(names.length);
  expect(watch.faults).toEqual([]);
  expect([...watch.epochs.values()].flat().length).toBeGreaterThan(20);
}, 30_000);

function kindsOf(keeper: Keeper): readonly string[] {
  return [...keeper.active.keys()].map((name) => name.split("/")[0] ?? "");
}
