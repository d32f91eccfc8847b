import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { offerProduct, orderReaches, placeOrder } from "./shop-client.ts";

let cluster: Cluster;
let door: string;
let primary: pg.Pool;

beforeAll(async () => {
  cluster = await openCluster();
  door = cluster.door;
  primary = cluster.database("primary");
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Reads a product as of the last write. */
async function readProduct(sku: string, headers: Record<string, string> = {}) {
  const at = await send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "1" } });
  const position = String(at.headers["quartet-position"]);
  return send("GET", `${door}/v1/products/${sku}`, { headers: { "Quartet-Position": position, ...headers } });
}

const product = { name: "Green tea", category: "tea", priceCents: "500" };

describe("a row's version", () => {
  test("is the ETag of an answer that is the row, and saves a client what it has", async () => {
    const sku = await offerProduct(door);
    const first = await readProduct(sku);
    const tag = String(first.headers["etag"]);
    expect([first.status, tag]).toEqual([200, expect.stringMatching(/^"1-[\da-f]{8}"$/)]);
    const again = await readProduct(sku, { "If-None-Match": tag });
    expect([again.status, again.text, again.headers["etag"]]).toEqual([304, "", tag]);
    expect((await readProduct(sku, { "If-None-Match": '"7"' })).status).toBe(200);
    await primary.query(`update shop.products set pb = pb || '{"name": "Tea"}' where sku = $1`, [sku]);
    expect((await readProduct(sku, { "If-None-Match": tag })).status).toBe(200);
  });

  test("that If-Match names must be the row's, or the command changes nothing", async () => {
    const sku = await offerProduct(door);
    const url = `${door}/v1/products/${sku}`;
    const changed = await send("PUT", url, { json: product, headers: { "If-Match": '"1"' } });
    expect([changed.status, changed.headers["etag"]], changed.text).toEqual([
      200,
      expect.stringMatching(/^"2-/),
    ]);
    const late = await send("PUT", url, {
      json: { ...product, priceCents: "1" },
      headers: { "If-Match": '"1"' },
    });
    expect([late.status, late.json], late.text).toEqual([
      412,
      expect.objectContaining({ code: "version_mismatch", field: "version" }),
    ]);
    expect((await readProduct(sku)).json).toMatchObject({ priceCents: "500" });
  });

  test("is checked when an asynchronous command is done, and its operation says so", async () => {
    const sku = await offerProduct(door);
    const headers = {
      Prefer: "respond-async, wait=10",
      "Idempotency-Key": `"${randomUUID()}"`,
      "If-Match": '"9"',
    };
    const answer = await send("PUT", `${door}/v1/products/${sku}`, { json: product, headers });
    expect([answer.status, answer.json], answer.text).toEqual([
      412,
      expect.objectContaining({ code: "version_mismatch" }),
    ]);
  });

  test("is not for commands to have: If-None-Match is refused, and nothing is done", async () => {
    const sku = `new-${randomUUID()}`;
    const answer = await send("PUT", `${door}/v1/products/${sku}`, {
      json: product,
      headers: { "If-None-Match": "*" },
    });
    expect([answer.status, answer.json], answer.text).toEqual([
      400,
      expect.objectContaining({ code: "invalid_argument", field: "If-None-Match" }),
    ]);
  });

  test("is refused where no write asks for it", async () => {
    const sku = await offerProduct(door);
    for (const [path, json] of [
      [`/v1/stock/${sku}:adjust`, { delta: "1" }],
      ["/v1/orders", { sku, customer: "ada", quantity: 1 }],
    ] as const) {
      const answer = await send("POST", `${door}${path}`, { json, headers: { "If-Match": '"1"' } });
      expect([answer.status, answer.json], answer.text).toEqual([
        400,
        expect.objectContaining({ code: "invalid_argument", field: "If-Match" }),
      ]);
    }
  });
});

test("an answer that is a row is its stored text, with what this build does not know of it", async () => {
  const sku = await offerProduct(door);
  await primary.query(`update shop.products set pb = pb || '{"aroma": "grassy"}' where sku = $1`, [sku]);
  expect((await readProduct(sku)).json).toMatchObject({ sku, aroma: "grassy", name: "Green tea" });
});

describe("the relational view", () => {
  test("takes what psql writes, for the services to read", async () => {
    const sku = `psql-${randomUUID()}`;
    await primary.query(
      `insert into shop.products_view (sku, name, category, price_cents, tags)
values ($1, 'Oolong', 'tea', 700, '["organic"]'), ($2, 'Sencha', 'tea', 800, default)`,
      [sku, `${sku}-2`],
    );
    await send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "1" } });
    expect((await readProduct(sku)).json).toMatchObject({
      name: "Oolong",
      priceCents: "700",
      tags: ["organic"],
    });
    const changed = await primary.query(
      "update shop.products_view set price_cents = price_cents + 1 where sku = $1 returning price_cents::int, version::int",
      [sku],
    );
    expect(changed.rows).toEqual([{ price_cents: 701, version: 2 }]);
    expect((await readProduct(sku)).json).toMatchObject({ priceCents: "701", tags: ["organic"] });
    const listed = await send("GET", `${door}/v1/products?tag=organic&afterSku=${sku.slice(0, -1)}`);
    expect((listed.json as { products: { sku: string }[] }).products.map((found) => found.sku)).toContain(
      sku,
    );
  });
});

describe("a published change", () => {
  test("reaches its reaction once per version, whoever made it", async () => {
    const sku = await offerProduct(door, { priceCents: 100 });
    await send("PUT", `${door}/v1/products/${sku}`, { json: { ...product, priceCents: "200" } });
    await primary.query("update shop.products_view set price_cents = 300 where sku = $1", [sku]);
    await send("PUT", `${door}/v1/products/${sku}`, { json: { ...product, name: "Tea", priceCents: "300" } });
    await primary.query(
      "update shop.products set pb = jsonb_set(pb, '{priceCents}', '\"400\"'), version = version + 1 where sku = $1",
      [sku],
    );
    const prices = await pollUntil("all prices", async () => {
      const answer = await send("GET", `${door}/v1/products/${sku}/prices`);
      const { prices: found } = answer.json as { prices: { productVersion: string; priceCents: string }[] };
      return found.length >= 4 && found;
    });
    expect(prices.map(({ productVersion, priceCents }) => [productVersion, priceCents])).toEqual([
      ["5", "400"],
      ["3", "300"],
      ["2", "200"],
      ["1", "100"],
    ]);
  });
});

describe("the history of a table", () => {
  test("tells who changed a row when by which operation, and shows it as it was", async () => {
    const sku = await offerProduct(door);
    const orderId = randomUUID();
    const placed = await placeOrder(door, { sku, orderId }, randomUUID(), { Authorization: "Bearer ada" });
    expect(placed.status, placed.text).toBe(200);
    await orderReaches(door, orderId, "SHIPPED");
    const { rows } = await primary.query(
      `select version::int, operation, login, principal is not null and principal <> '' as asked, operation_id <> '' as operated,
  patch -> 'set' ->> 'status' as status, changed_at from shop.orders_history where order_id = $1 order by place`,
      [orderId],
    );
    expect(rows.map(({ changed_at: _, ...row }) => row)).toEqual([
      {
        version: 1,
        operation: "insert",
        login: "shop_crud",
        asked: true,
        operated: true,
        status: "ORDER_STATUS_PLACED",
      },
      {
        version: 2,
        operation: "update",
        login: "shop_crud",
        asked: false,
        operated: true,
        status: "ORDER_STATUS_PAID",
      },
      {
        version: 3,
        operation: "update",
        login: "shop_crud",
        asked: false,
        operated: true,
        status: "ORDER_STATUS_SHIPPED",
      },
    ]);
    const then = await primary.query(
      "select pb ->> 'status' as status, version::int from shop.orders_as_of($1) where order_id = $2",
      [rows[1].changed_at, orderId],
    );
    // pg reads an instant to the millisecond: the second change is at or after it.
    expect([1, 2]).toContain(then.rows[0]?.version);
    const before = await primary.query("select from shop.orders_as_of($1) where order_id = $2", [
      new Date(rows[0].changed_at.getTime() - 1),
      orderId,
    ]);
    expect(before.rowCount).toBe(0);
  });
});

test("pages of orders follow each other while orders are placed", async () => {
  const sku = await offerProduct(door);
  const customer = randomUUID();
  const expected: string[] = [];
  for (let index = 0; index < 7; index++) {
    const orderId = `${customer}-${index}`;
    await placeOrder(door, { sku, customer, orderId });
    expected.unshift(orderId);
  }
  await pollUntil("all on the replica", async () => {
    const answer = await send("GET", `${door}/v1/orders?customer=${customer}`);
    return (answer.json as { orders: unknown[] }).orders.length === 7;
  });
  const seen: string[] = [];
  let token = "";
  do {
    const answer = await send("GET", `${door}/v1/orders?customer=${customer}&pageSize=3&pageToken=${token}`);
    expect(answer.status, answer.text).toBe(200);
    const page = answer.json as { orders: { orderId: string }[]; nextPageToken: string };
    seen.push(...page.orders.map((order) => order.orderId));
    token = page.nextPageToken;
    await placeOrder(door, { sku, customer });
  } while (token !== "");
  expect(seen).toEqual(expected);
  const damaged = await send("GET", `${door}/v1/orders?customer=${customer}&pageToken=x`);
  expect(damaged.json).toMatchObject({ code: "invalid_argument", field: "page_token" });
});
