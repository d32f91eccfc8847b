import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Build, type BuildName, openBuild } from "./open-build.ts";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { openProcess, type StartedProcess } from "./open-process.ts";
import { OrderModel } from "./order-model.ts";
import { pollUntil } from "./poll-until.ts";
import { startRevisions } from "./revision-load.ts";
import { runQuartet } from "./run-quartet.ts";
import { send } from "./send-request.ts";
import { offerProduct, orderReaches, placeOrder } from "./shop-client.ts";

const loadMs = 4_000;
const seed = Date.now() % 100_000;

const builds = new Map<BuildName, Build>();
const models = ["one", "two-flies", "three", "four-flies"].map((name) => new OrderModel(name));
let cluster: Cluster;
let primary: pg.Pool;
let fresh: StartedProcess;
let oldDoor: string;
let newDoor: string;
let sku: string;

const folderOf = (name: BuildName) => builds.get(name)?.folder ?? "";
const applied = (name: BuildName) =>
  runQuartet(folderOf(name), ["apply"], { DATABASE_URL: cluster.ownerUrl("primary") });
const started = (name: BuildName) =>
  openProcess({ QUARTET_SECRET: cluster.secret, DATABASE_URL: cluster.loginUrl("crud") }, folderOf(name));

/** The old build serves and has orders; the new one is applied and started beside it, while the old one is at work. */
beforeAll(async () => {
  for (const name of ["old", "new", "last"] as const) builds.set(name, await openBuild(name));
  cluster = await openCluster({ project: folderOf("old"), only: "crud" });
  primary = cluster.database("primary");
  oldDoor = cluster.door;
  sku = await offerProduct(oldDoor, { stock: 1_000 });
  for (const { orderId } of models) await placeOrder(oldDoor, { sku, orderId });
  for (const { orderId } of models) await orderReaches(oldDoor, orderId, "SHIPPED");
  const load = startRevisions({ old: oldDoor }, models, seed);
  await applied("new");
  fresh = await started("new");
  newDoor = fresh.url;
  await load.stop();
  expect(load.failures).toEqual([]);
}, 90_000);

afterAll(async () => {
  await fresh?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  for (const build of builds.values()) await build[Symbol.asyncDispose]();
});

/** Edits an order through a build. */
async function revise(door: string, orderId: string, what: string, text = "", number = 0) {
  const answer = await send("POST", `${door}/v1/orders/${orderId}:revise`, { json: { what, text, number } });
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
}

async function readOrder(door: string, orderId: string) {
  const answer = await send("GET", `${door}/v1/orders/${orderId}`);
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
}

async function storedOrder(orderId: string) {
  const found = await primary.query("select pb from shop.orders where order_id = $1", [orderId]);
  return found.rows[0].pb;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of two builds.
type Json = any;

/** What both builds know of an order. */
function expectKnown(order: Json, model: OrderModel): void {
  expect(order.note).toBe(model.note);
  const quantities = Object.fromEntries(order.lines.map((line: Json) => [line.sku, line.quantity]));
  expect(quantities).toEqual(
    Object.fromEntries([...model.lines].map(([name, line]) => [name, line.quantity])),
  );
  expect(order.lines).toHaveLength(model.lines.size);
  for (const [name, score] of model.score) expect(order.badges[name].score).toBe(score);
  for (const [name, count] of model.badge) expect(order.badges[name].text).toBe(`badge ${count}`);
  expect(order.trail.filter((status: string) => status.endsWith("PLACED"))).toHaveLength(model.trail.placed);
  expect(order.attachments.filter((any: Json) => any.sku?.startsWith("old"))).toHaveLength(
    model.attached.old,
  );
  if (model.courier !== "") expect(order.courier.name).toBe(model.courier);
}

/** What the new build alone knows of it. */
function expectNew(order: Json, model: OrderModel): void {
  const engraved = Object.fromEntries(
    order.lines.map((line: Json) => [line.sku, line.engraving || "engraving 0"]),
  );
  expect(engraved).toEqual(
    Object.fromEntries([...model.lines].map(([name, line]) => [name, `engraving ${line.engraving}`])),
  );
  for (const [name, rank] of model.rank) expect(order.badges[name].rank).toBe(rank);
  expect(order.trail.filter((status: string) => status.endsWith("RETURNED"))).toHaveLength(
    model.trail.returned,
  );
  expect(order.attachments.filter((any: Json) => any["@type"].endsWith("Gift"))).toHaveLength(
    model.attached.gifts,
  );
  expect(order.gift?.text ?? "").toBe(model.gift);
  expect(order.extra).toMatchObject({ "@type": "type.googleapis.com/shop.v1.Gift", text: "extra" });
  if (model.flies) {
    expect(order).toMatchObject({ status: "ORDER_STATUS_RETURNED", drone: { pad: "roof" } });
  } else if (model.floor > 0) expect(order.courier.floor).toBe(model.floor);
}

describe("an old and a new build that write the same rows at the same time", () => {
  test(`lose nothing that either knows, and never fail to read (seed ${seed})`, async () => {
    for (const model of models) {
      await revise(newDoor, model.orderId, "extra", "extra");
      if (!model.flies) continue;
      await revise(newDoor, model.orderId, "fly", "roof");
      await revise(newDoor, model.orderId, "giveBack");
    }
    const load = startRevisions({ old: oldDoor, new: newDoor }, models, seed + 1);
    await delay(loadMs);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(Math.min(load.done.old, load.done.new)).toBeGreaterThan(50);
    for (const model of models) {
      expectKnown(await readOrder(oldDoor, model.orderId), model);
      for (const order of [await readOrder(newDoor, model.orderId), await storedOrder(model.orderId)]) {
        expectKnown(order, model);
        expectNew(order, model);
      }
    }
  });

  test("keep nested fields of a product that the old one puts anew", async () => {
    const revised = await send("POST", `${newDoor}/v1/products/${sku}:revise`, { json: { number: 7 } });
    expect(revised.status, revised.text).toBe(200);
    const dimensions = { lengthMm: 1, widthMm: 2 };
    const put = { name: "Black tea", category: "tea", priceCents: "500", dimensions };
    expect((await send("PUT", `${oldDoor}/v1/products/${sku}`, { json: put })).status).toBe(200);
    const first = await send("GET", `${newDoor}/v1/products/${sku}`);
    expect(first.json).toMatchObject({ name: "Black tea", weightGrams: 7, dimensions });
    await send("POST", `${newDoor}/v1/products/${sku}:revise`, { json: { number: 8 } });
    await send("POST", `${oldDoor}/v1/products/${sku}:revise`, { json: { number: 9 } });
    await send("PUT", `${oldDoor}/v1/products/${sku}`, { json: put });
    const second = await send("GET", `${newDoor}/v1/products/${sku}`);
    expect(second.json).toMatchObject({
      weightGrams: 8,
      dimensions: { ...dimensions, marginMm: 8, heightMm: 0 },
    });
  });

  test("agree on a oneof after each has set a member, whichever the other does not know", async () => {
    const orderId = "oneof";
    await placeOrder(oldDoor, { sku, orderId });
    await revise(newDoor, orderId, "fly", "roof");
    expect(await readOrder(oldDoor, orderId)).not.toHaveProperty("pickupPoint");
    await revise(oldDoor, orderId, "pickUp", "corner");
    for (const door of [oldDoor, newDoor]) {
      expect(await revise(door, orderId, "score", "loyal", 1)).toMatchObject({ pickupPoint: "corner" });
    }
    await revise(newDoor, orderId, "fly", "garden");
    expect(await readOrder(newDoor, orderId)).toMatchObject({ drone: { pad: "garden" } });
    expect(await storedOrder(orderId)).not.toHaveProperty("pickupPoint");
  });

  test("answer over Connect too, where the old one has only the type of what it does not know", async () => {
    const [model] = models;
    for (const door of [oldDoor, newDoor]) {
      const answer = await send("POST", `${door}/shop.v1.Orders/GetOrder`, {
        json: { orderId: model?.orderId },
      });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.json).toMatchObject({
        note: model?.note,
        extra: { "@type": expect.stringContaining("Gift") },
      });
    }
  });

  test("understand each other's events: the old one confirms and ships an order of the new one", async () => {
    const orderId = "events";
    const placed = await placeOrder(newDoor, { sku, orderId });
    expect(placed.status, placed.text).toBe(200);
    await orderReaches(oldDoor, orderId, "SHIPPED");
    const times = await pollUntil("its confirmation", async () => {
      const found = await primary.query("select times from shop.confirmations where order_id = $1", [
        orderId,
      ]);
      return found.rows[0]?.times;
    });
    expect(times).toBe(1);
  });

  test("show in psql what each of them knows", async () => {
    const flying = models.find((model) => model.flies);
    const row = await primary.query(
      "select note, gift->>'text' as gift, status from shop.orders where order_id = $1",
      [flying?.orderId],
    );
    expect(row.rows).toEqual([{ note: flying?.note, gift: flying?.gift, status: "ORDER_STATUS_RETURNED" }]);
  });
});

describe("a build that has deleted and reserved a field", () => {
  test("reads and writes old rows, in which the field stays readable for SQL and older builds", async () => {
    await applied("last");
    await using last = await started("last");
    const [model] = models;
    const orderId = model?.orderId ?? "";
    const before = await storedOrder(orderId);
    expect(before.note).toMatch(/^old /);
    await revise(last.url, orderId, "score", "loyal", 5);
    const order = await readOrder(last.url, orderId);
    expect(order.badges.loyal.score).toBe(before.badges.loyal.score + 5);
    expect(order.gift).toEqual(before.gift);
    const row = await primary.query(
      "select note, pb->>'note' as stored from shop.orders where order_id = $1",
      [orderId],
    );
    expect(row.rows).toEqual([{ note: before.note, stored: before.note }]);
    const view = await primary.query("select note from shop.orders_view where order_id = $1", [orderId]);
    expect(view.rows).toEqual([{ note: before.note }]);
    expect((await readOrder(oldDoor, orderId)).note).toBe(before.note);
    await revise(oldDoor, orderId, "note", "still kept");
    expect(await storedOrder(orderId)).toMatchObject({ note: "still kept", badges: order.badges });
  });
});
