import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listAlive, listDescendants } from "./list-processes.ts";
import { type Cluster, makeStateDir, openCluster, spawnDev } from "./open-cluster.ts";
import { startOrderLoad } from "./order-load.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { expectSettled } from "./settled-cluster.ts";
import { offerProduct, placeOrder } from "./shop-client.ts";

describe("under load", { timeout: 120_000 }, () => {
  let cluster: Cluster;
  let skus: string[];

  beforeAll(async () => {
    cluster = await openCluster();
    skus = await Promise.all(
      Array.from({ length: 5 }, () => offerProduct(cluster.door, { stock: 1_000_000 })),
    );
  });

  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test.each(["crud", "micro", "nano", "lambda", "relay", "gateway", "primary", "replica", "events"])(
    "kill -9 of %s loses no order and doubles none",
    async (victim) => {
      const load = startOrderLoad(cluster, skus);
      await load.more(30);
      const before = await cluster.kill(victim);
      await cluster.restarted(victim, before);
      await load.more(30);
      await load.stop();
      expect(load.unexpected).toEqual([]);
      await expectSettled(cluster, load.accepted);
    },
  );

  test.each(["crud", "micro", "nano", "lambda"])(
    "SIGTERM of %s is noticed by no client: every request succeeds the first time",
    async (victim) => {
      const load = startOrderLoad(cluster, skus);
      const reads = startReads(cluster.door, skus[0] ?? "");
      await load.more(20);
      const before = await cluster.kill(victim, "SIGTERM");
      // It drains what is under way, and no more: its clients' connections do not keep it.
      await pollUntil(`the end of ${victim}`, () => !isRunning(before), 4_000);
      await cluster.restarted(victim, before);
      await load.more(20);
      await load.stop();
      expect(load.unexpected).toEqual([]);
      expect(load.accepted.filter((order) => order.attempts > 1)).toEqual([]);
      expect(await reads.stop()).toEqual([]);
      await expectSettled(cluster, load.accepted);
    },
  );

  test("a relay killed ten times in a row, between push and acknowledge, doubles no effect", async () => {
    const load = startOrderLoad(cluster, skus);
    for (let round = 0; round < 10; round++) {
      await load.more(10);
      const before = await cluster.kill("relay");
      await cluster.restarted("relay", before);
    }
    await load.stop();
    expect(load.unexpected).toEqual([]);
    await expectSettled(cluster, load.accepted);
  });

  test("crud, micro and both databases killed at once lose no order", async () => {
    const load = startOrderLoad(cluster, skus);
    await load.more(20);
    const victims = ["crud", "micro", "primary", "events"];
    const before = await Promise.all(victims.map((victim) => cluster.kill(victim)));
    await Promise.all(victims.map((victim, place) => cluster.restarted(victim, before[place] ?? 0)));
    await load.more(20);
    await load.stop();
    expect(load.unexpected).toEqual([]);
    await expectSettled(cluster, load.accepted);
  });

  test("an asynchronous command accepted while the primary and crud are down ends all the same", async () => {
    const before = await Promise.all([cluster.kill("primary"), cluster.kill("crud")]);
    const sku = skus[0] ?? "";
    const orderId = `async-${before[0]}`;
    const accepted = await pollUntil("a 202", async () => {
      const answer = await placeOrder(cluster.door, { sku, orderId }, orderId, { Prefer: "respond-async" });
      return answer.status === 202 && answer;
    });
    const ended = await pollUntil("the end of the operation", async () => {
      const answer = await send("GET", cluster.door + accepted.headers.location, {
        headers: { Prefer: "wait=5" },
      });
      return answer.json.done && answer.json;
    });
    expect(ended).toMatchObject({ response: { orderId } });
    await Promise.all([
      cluster.restarted("primary", before[0] ?? 0),
      cluster.restarted("crud", before[1] ?? 0),
    ]);
    await expectSettled(cluster, [{ key: orderId, orderId, sku, quantity: 1, attempts: 1 }]);
  });

  test("a slot that was dropped behind the relay's back is made anew, and nothing is missing", async () => {
    const load = startOrderLoad(cluster, skus);
    await load.more(10);
    for (const [server, name] of [
      ["primary", "main"],
      ["events", "events"],
    ] as const) {
      const pool = cluster.database(server);
      await pollUntil("the slot is dropped", async () => {
        await pool.query(
          "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active",
          [`quartet_shop_${name}`],
        );
        await pool.query("select pg_drop_replication_slot($1)", [`quartet_shop_${name}`]);
        return true;
      });
    }
    await load.more(20);
    await load.stop();
    expect(load.unexpected).toEqual([]);
    await expectSettled(cluster, load.accepted);
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Reads one after the other until stopped; gives the answers that were not right. */
function startReads(door: string, sku: string) {
  const wrong: string[] = [];
  let running = true;
  const reading = (async () => {
    while (running) {
      const answer = await send("GET", `${door}/v1/stock/${sku}`).catch((error: Error) => error);
      if (answer instanceof Error) wrong.push(answer.message);
      else if (answer.status !== 200) wrong.push(`${answer.status} ${answer.text}`);
    }
  })();
  return {
    stop: async () => {
      running = false;
      await reading;
      return wrong;
    },
  };
}

describe("kill -9 of quartet dev itself", { timeout: 120_000 }, () => {
  test("leaves no node process, and the next start finds the data intact", async () => {
    const stateDir = await makeStateDir();
    try {
      const first = await openCluster({ stateDir });
      const sku = await offerProduct(first.door);
      const order = await placeOrder(first.door, { sku }, "before");
      const family = await listDescendants(first.supervisor.pid ?? 0);
      const nodes = family.filter(({ command }) => command.includes("quartet.js"));
      expect(nodes.length).toBeGreaterThanOrEqual(6);
      first.supervisor.kill("SIGKILL");
      await pollUntil("the end of all node processes", async () => (await listAlive(nodes)).length === 0);
      await using second = await openCluster({ stateDir, fresh: false });
      expect(second.rows.map(({ name, url }) => ({ name, url }))).toEqual(
        first.rows.map(({ name, url }) => ({ name, url })),
      );
      const again = await placeOrder(second.door, { sku }, "before");
      expect(again.text).toBe(order.text);
      expect((await placeOrder(second.door, { sku }, "after")).status).toBe(200);
      await expectSettled(second, []);
    } finally {
      await rm(stateDir, { recursive: true, force: true });
    }
  });

  test("leaves no node process either while its children are starting", async () => {
    const stateDir = await makeStateDir();
    try {
      for (const pauseMs of [0, 150]) {
        const lines: string[] = [];
        const supervisor = spawnDev(stateDir, { fresh: false }, lines);
        await pollUntil("children", () => lines.some((line) => line.includes("starting crud")), 40_000, 5);
        await delay(pauseMs);
        const family = await listDescendants(supervisor.pid ?? 0);
        supervisor.kill("SIGKILL");
        const nodes = family.filter(({ command }) => command.includes("quartet.js"));
        await pollUntil(`the end of processes killed after ${pauseMs} ms`, async () => {
          const left = await listAlive(nodes);
          if (left.length > 0) throw new Error(left.map(({ command }) => command).join("\n"));
          return true;
        });
      }
      await using cluster = await openCluster({ stateDir, fresh: false });
      expect((await send("GET", `${cluster.door}/v1/landing`)).status).toBe(200);
    } finally {
      await rm(stateDir, { recursive: true, force: true });
    }
  });
});
