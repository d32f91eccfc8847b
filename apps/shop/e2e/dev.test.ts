import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type Cluster, makeStateDir, openCluster } from "./open-cluster.ts";
import { send } from "./send-request.ts";
import { expectSettled } from "./settled-cluster.ts";
import { offerProduct, orderReaches, placeOrder } from "./shop-client.ts";

const folders: string[] = [];

async function newStateDir(): Promise<string> {
  const folder = await makeStateDir();
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

const statusOf = async (cluster: Cluster, sku: string) =>
  (await send("GET", `${cluster.door}/v1/products/${sku}`)).status;

describe("starts", { timeout: 120_000 }, () => {
  test("data survives a restart, and --fresh starts over on the same ports", async () => {
    const stateDir = await newStateDir();
    const first = await openCluster({ stateDir });
    const sku = await offerProduct(first.door);
    const order = await placeOrder(first.door, { sku }, "key");
    expect(await first.stop("SIGTERM")).toBe(0);

    const second = await openCluster({ stateDir, fresh: false });
    expect(second.door).toBe(first.door);
    expect(await statusOf(second, sku)).toBe(200);
    expect((await placeOrder(second.door, { sku }, "key")).text).toBe(order.text);
    expect(await second.stop("SIGTERM")).toBe(0);

    await using third = await openCluster({ stateDir, fresh: true });
    expect(third.door).toBe(first.door);
    expect(await statusOf(third, sku)).toBe(404);
    const anew = await offerProduct(third.door);
    expect((await placeOrder(third.door, { sku: anew }, "key")).status).toBe(200);
  });

  test("two clusters at once know nothing of each other", async () => {
    const [one, two] = await Promise.all([openCluster(), openCluster()]);
    try {
      const urls = [...one.rows, ...two.rows].flatMap((row) => row.url ?? []);
      expect(new Set(urls).size).toBe(urls.length);
      const sku = await offerProduct(one.door);
      expect(await statusOf(one, sku)).toBe(200);
      expect(await statusOf(two, sku)).toBe(404);
    } finally {
      await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    }
  });

  test("a second start on the same state is refused, and leaves the first one alone", async () => {
    await using cluster = await openCluster({ only: "crud" });
    const second = openCluster({ only: "crud", stateDir: cluster.stateDir, fresh: false });
    await expect(second).rejects.toThrow(/is in use by process/);
    expect((await send("GET", `${cluster.door}/v1/landing`)).status).toBe(200);
  });

  test("the day-one monolith grows into the full cluster on the same data", async () => {
    const stateDir = await newStateDir();
    const monolith = await openCluster({ only: "crud", stateDir });
    const sku = await offerProduct(monolith.door);
    const placed = await placeOrder(monolith.door, { sku }, "day-one");
    await orderReaches(monolith.door, placed.json.orderId, "SHIPPED");
    await monolith.stop("SIGTERM");
    await using full = await openCluster({ stateDir, fresh: false });
    expect(await statusOf(full, sku)).toBe(200);
    const answer = await placeOrder(full.door, { sku }, "day-two");
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("micro");
    expect((await placeOrder(full.door, { sku }, "day-one")).text).toBe(placed.text);
    const orders = [placed, answer].map(({ json }) => ({ ...json, key: "", attempts: 1 }));
    await expectSettled(full, orders);
  });
});

describe("stops", () => {
  test("Ctrl-C ends all of it with exit code 0, also while orders are placed", async () => {
    const stateDir = await newStateDir();
    const cluster = await openCluster({ stateDir });
    const sku = await offerProduct(cluster.door);
    const orders = Array.from({ length: 20 }, () => placeOrder(cluster.door, { sku }).catch(() => undefined));
    // stop() fails when a process is left.
    expect(await cluster.stop("SIGINT")).toBe(0);
    await Promise.all(orders);
    await expect(readFile(join(stateDir, "cluster.json"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});
