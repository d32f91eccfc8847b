import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "./open-cluster.ts";
import { openTrial } from "./open-trial.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { offerProduct, placeOrder, readStock } from "./shop-client.ts";

let cluster: Cluster;
let primary: pg.Pool;
let events: pg.Pool;

beforeAll(async () => {
  cluster = await openTrial();
  primary = cluster.database("primary");
  events = cluster.database("events");
  // Settings of a subscription survive the restart of its relay: few attempts, so that the tests end soon.
  await events.query(
    `update quartet.subscription set pb = pb || '{"delivery":{"retry":2,"backoffDelay":"0.050s"}}' where name = 'intents'`,
  );
  const before = await cluster.kill("relay");
  await cluster.restarted("relay", before);
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

describe("several writes of one command", () => {
  test("are one intent event, and one transaction of the crud class", async () => {
    const sku = await offerProduct(cluster.door, { stock: 10 });
    const orderId = randomUUID();
    const key = randomUUID();
    const answer = await placeOrder(cluster.door, { sku, orderId, quantity: 2 }, key);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("micro");
    const intents = await events.query(
      "select id, payload from quartet.outbox where type = 'quartet.v1.Intent' and payload::text like '%' || $1 || '%'",
      [orderId],
    );
    expect(intents.rows).toHaveLength(1);
    expect(intents.rows[0].payload.writes).toHaveLength(7);
    const transactions = await primary.query(
      `select xmin from shop.orders where order_id = $1 union select xmin from shop.stock where sku = $2
      union select xmin from shop.confirmations where order_id like $1 || '/%'
      union select xmin from quartet.operation where pb->'response'->>'orderId' = $1`,
      [orderId, sku],
    );
    expect(transactions.rows).toHaveLength(1);
    expect(await readStock(cluster.door, sku)).toEqual({ available: 7, sold: 2, received: 9 });
  });

  test("are all undone when the last one is refused", async () => {
    const sku = await offerProduct(cluster.door, { stock: 10 });
    const orderId = randomUUID();
    const answer = await placeOrder(cluster.door, { sku, orderId, quantity: 500 }, randomUUID());
    expect(answer.status, answer.text).toBe(412);
    const told = await primary.query("select from shop.confirmations where order_id like $1 || '/%'", [
      orderId,
    ]);
    expect(told.rowCount).toBe(0);
    expect(await readStock(cluster.door, sku)).toEqual({ available: 10, sold: 0, received: 10 });
  });
});

describe("a decision that cannot be written", () => {
  test("is tried again, then a dead letter, and its operation failed", async () => {
    const orderId = randomUUID();
    const order = { sku: "any", orderId, customer: "breaks" };
    const answer = await placeOrder(cluster.door, order, randomUUID());
    expect(answer.status, answer.text).toBe(500);
    expect(answer.json).toMatchObject({ code: "internal", detail: expect.stringContaining("dead letter") });
    const letter = await pollUntil("a dead letter", async () => {
      const found = await events.query(
        "select pb from quartet.dead_letter where pb->>'eventData' like '%' || $1 || '%'",
        [orderId],
      );
      return found.rows[0]?.pb;
    });
    expect(letter).toMatchObject({ subscription: "intents", attempts: 3, lastStatus: 500 });
    const told = await primary.query("select from shop.confirmations where order_id = $1", [orderId]);
    expect(told.rowCount).toBe(0);
    const operation = await primary.query(
      "select pb->>'state' as state from quartet.operation where operation_id = $1",
      [letter.eventKey],
    );
    expect(operation.rows).toEqual([{ state: "OPERATION_STATE_FAILED" }]);
    expect((await events.query("select from quartet.delivery_parked")).rowCount).toBe(0);
  });

  test("ends an asynchronous operation as failed, for who asks", async () => {
    const order = { sku: "any", orderId: randomUUID(), customer: "breaks" };
    const accepted = await placeOrder(cluster.door, order, randomUUID(), { Prefer: "respond-async" });
    expect(accepted.status, accepted.text).toBe(202);
    const ended = await send("GET", cluster.door + accepted.headers.location, {
      headers: { Prefer: "wait=20" },
    });
    expect(ended.json).toMatchObject({
      done: true,
      metadata: { state: "OPERATION_STATE_FAILED" },
      error: { code: 13, details: [{ code: "internal" }] },
    });
  });

  test("is a dead letter too when no build that is there knows its write", async () => {
    const payload = { writes: [{ "@type": "type.googleapis.com/shop.v1.OrderPaid", orderId: "a" }] };
    const published = await events.query(
      "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values (uuidv7(), 'quartet.operation', 'a', 'quartet.v1.Intent', $1) returning id",
      [payload],
    );
    const letter = await pollUntil("a dead letter", async () => {
      const found = await events.query("select pb from quartet.dead_letter where pb->>'eventId' = $1", [
        published.rows[0].id,
      ]);
      return found.rows[0]?.pb;
    });
    expect(letter).toMatchObject({ attempts: 3, lastStatus: 501 });
  });

  test("holds up nobody: others are answered while it is tried again", async () => {
    const sku = await offerProduct(cluster.door);
    const broken = placeOrder(cluster.door, { sku, orderId: randomUUID(), customer: "breaks" });
    const began = Date.now();
    const answer = await placeOrder(cluster.door, { sku, orderId: randomUUID() });
    expect(answer.status, answer.text).toBe(200);
    expect(Date.now() - began).toBeLessThan(2_000);
    await broken;
  });
});

describe("a handler that fails", () => {
  test("is a 500 problem that tells nothing of it, in every class", async () => {
    for (const name of ["gateway", "micro", "crud"]) {
      const answer = await placeOrder(cluster.url(name), { sku: "any", customer: "throws" });
      expect(answer.status, name).toBe(500);
      expect(answer.headers["content-type"]).toBe("application/problem+json");
      expect(answer.text).not.toContain("secret detail");
    }
    expect(cluster.logs()).toContain("secret detail");
  });

  test("may write nothing and answer by itself, with and without a key, in every mode", async () => {
    const order = { sku: "any", customer: "writes nothing" };
    const wanted = { orderId: "nothing was written" };
    for (const name of ["gateway", "micro", "crud"]) {
      for (const key of [undefined, randomUUID()]) {
        const answer = await placeOrder(cluster.url(name), order, key);
        expect(answer.json, `${name} ${answer.text}`).toMatchObject(wanted);
      }
      const headers = { Prefer: "respond-async, wait=10" };
      const answer = await placeOrder(cluster.url(name), order, randomUUID(), headers);
      expect(answer.json, `${name} async ${answer.text}`).toMatchObject(wanted);
    }
  });
});
