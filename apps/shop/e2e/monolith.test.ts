import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listDescendants } from "./list-processes.ts";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { offerProduct, orderReaches, placeOrder, readStock } from "./shop-client.ts";

let cluster: Cluster;
let door: string;
let primary: pg.Pool;

beforeAll(async () => {
  cluster = await openCluster({ only: "crud" });
  door = cluster.door;
  primary = cluster.database("primary");
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

test("the monolith is one node process and one PostgreSQL server", async () => {
  expect(cluster.rows.map((row) => row.name)).toEqual(["crud", "primary"]);
  const supervisor = cluster.supervisor.pid ?? 0;
  const family = await listDescendants(supervisor);
  expect(family.filter(({ command }) => command.includes("quartet.js"))).toHaveLength(1);
  // A server's own children have its command line for a moment, until they name themselves.
  const servers = family.filter(({ command, parent }) => parent === supervisor && / -D /.test(command));
  expect(servers).toHaveLength(1);
  expect((await send("GET", `${door}/_quartet/whoami`)).json).toMatchObject({ class: "crud", surplus: [] });
});

test("queries, direct commands, offloaded commands and computes are all answered by crud", async () => {
  const sku = await offerProduct(door);
  const answers = await Promise.all([
    send("GET", `${door}/v1/products/${sku}`),
    send("GET", `${door}/v1/landing`),
    send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "5" } }),
    placeOrder(door, { sku }, randomUUID()),
    send("POST", `${door}/v1/parcels:pack`, { json: { items: [{ sku, quantity: 1 }] } }),
  ]);
  for (const answer of answers) {
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("crud");
  }
  expect(answers[3]?.json).toMatchObject({ sku, box: "S", status: "ORDER_STATUS_PLACED" });
});

test("a read with the position of a write sees it", async () => {
  const sku = await offerProduct(door);
  for (let round = 1; round <= 50; round++) {
    const write = await placeOrder(door, { sku });
    expect((await readStock(door, sku, String(write.headers["quartet-position"]))).sold).toBe(round);
  }
});

test("an asynchronous command ends, and its operation can be seen", async () => {
  const sku = await offerProduct(door);
  const accepted = await placeOrder(door, { sku }, randomUUID(), { Prefer: "respond-async" });
  expect(accepted.status, accepted.text).toBe(202);
  const ended = await send("GET", door + accepted.headers.location, { headers: { Prefer: "wait=10" } });
  expect(ended.json).toMatchObject({ done: true, response: { sku } });
});

test("the same key has one effect, at once twenty times and again later", async () => {
  const sku = await offerProduct(door, { stock: 1 });
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 20 }, () => placeOrder(door, { sku }, key)));
  const again = await placeOrder(door, { sku }, key);
  expect(new Set([...answers, again].map((answer) => `${answer.status} ${answer.text}`)).size).toBe(1);
  expect(again.status, again.text).toBe(200);
  expect((await placeOrder(door, { sku, quantity: 2 }, key)).status).toBe(422);
});

test("the saga ends: an order ships, one over the limit is cancelled, each confirmed once", async () => {
  const cheap = await offerProduct(door);
  const dear = await offerProduct(door, { priceCents: 60_000 });
  const [shipped, cancelled] = [randomUUID(), randomUUID()];
  await placeOrder(door, { sku: cheap, orderId: shipped, quantity: 2 });
  await placeOrder(door, { sku: dear, orderId: cancelled, quantity: 2 });
  await orderReaches(door, shipped, "SHIPPED");
  await orderReaches(door, cancelled, "CANCELLED");
  expect(await readStock(door, dear)).toEqual({ available: 100, sold: 0, received: 100 });
  const told = await pollUntil("both confirmations", async () => {
    const found = await primary.query("select times from shop.confirmations where order_id = any($1)", [
      [shipped, cancelled],
    ]);
    return found.rowCount === 2 && found.rows;
  });
  expect(told).toEqual([{ times: 1 }, { times: 1 }]);
});

test("kill -9 of the monolith under way loses no event", async () => {
  const sku = await offerProduct(door);
  const orderIds = Array.from({ length: 10 }, () => randomUUID());
  await Promise.all(orderIds.map((orderId) => placeOrder(door, { sku, orderId })));
  const before = await cluster.kill("crud");
  await cluster.restarted("crud", before);
  await Promise.all(orderIds.map((orderId) => orderReaches(door, orderId, "SHIPPED")));
  const told = await primary.query(
    "select times from shop.confirmations where order_id = any($1) and times = 1",
    [orderIds],
  );
  expect(told.rowCount).toBe(10);
});
