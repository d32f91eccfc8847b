import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { offerProduct, orderReaches, placeOrder, readStock } from "./shop-client.ts";
import { signPush } from "./sign-push.ts";

let cluster: Cluster;
let door: string;
let primary: pg.Pool;
let events: pg.Pool;

beforeAll(async () => {
  cluster = await openCluster();
  door = cluster.door;
  primary = cluster.database("primary");
  events = cluster.database("events");
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

async function countOrders(sku: string): Promise<number> {
  const found = await primary.query("select count(*)::int as count from shop.orders where sku = $1", [sku]);
  return found.rows[0].count;
}

describe("queries and commands", () => {
  test("a query is answered by nano off the replica", async () => {
    const sku = await offerProduct(door);
    const answer = await send("GET", `${door}/v1/products/${sku}`);
    expect(answer.status).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("nano");
    expect(answer.json).toMatchObject({ sku, name: "Green tea", priceCents: "450" });
  });

  test("a direct command is answered by crud, with a position", async () => {
    const sku = await offerProduct(door);
    const answer = await send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "5" } });
    expect(answer.status).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("crud");
    expect(answer.headers["quartet-position"]).toMatch(/^\d+-\d+-[0-9A-F]+\/[0-9A-F]+$/);
    expect(answer.json).toMatchObject({ available: "105", received: "105" });
  });

  test("an offloaded command is answered by micro, after the crud class has committed it", async () => {
    const sku = await offerProduct(door);
    const orderId = randomUUID();
    const answer = await placeOrder(door, { sku, orderId, quantity: 2 }, randomUUID());
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("micro");
    expect(answer.json).toMatchObject({ orderId, status: "ORDER_STATUS_PLACED", amountCents: "900" });
    const operation = await primary.query(
      "select pb->>'state' as state, pb->>'method' as method from quartet.operation where pb->'response'->>'orderId' = $1",
      [orderId],
    );
    expect(operation.rows).toEqual([
      { state: "OPERATION_STATE_COMMITTED", method: "shop.v1.Orders/PlaceOrder" },
    ]);
    expect(await readStock(door, sku, String(answer.headers["quartet-position"]))).toMatchObject({
      available: 98,
      sold: 2,
    });
  });

  test("an offloaded command without a key is answered too", async () => {
    const sku = await offerProduct(door);
    const answer = await placeOrder(door, { sku });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("micro");
    expect(answer.json.orderId).toMatch(/^[0-9a-f]{32}$/);
  });

  test("a command that calls a lambda has its answer in the order", async () => {
    const sku = await offerProduct(door);
    const answer = await placeOrder(door, { sku, quantity: 3 });
    expect(answer.json.box).toBe("S");
  });

  test("a compute is answered by lambda, over REST and Connect alike", async () => {
    const json = { items: [{ sku: "a", quantity: 1 }] };
    const rest = await send("POST", `${door}/v1/parcels:pack`, { json });
    const connect = await send("POST", `${door}/shop.v1.Packing/Pack`, { json });
    expect(rest.headers["quartet-class"]).toBe("lambda");
    expect(connect.headers["quartet-class"]).toBe("lambda");
    expect(connect.json).toEqual(rest.json);
  });

  test("an RPC of a command is routed like its REST form", async () => {
    const sku = await offerProduct(door);
    const json = { sku, customer: "ada", quantity: 1 };
    const answer = await send("POST", `${door}/shop.v1.Orders/PlaceOrder`, { json });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["quartet-class"]).toBe("micro");
  });

  test("a refused order is a 412 problem, and stays one when it is sent again", async () => {
    const sku = await offerProduct(door, { stock: 1 });
    const key = randomUUID();
    const first = await placeOrder(door, { sku, quantity: 2 }, key);
    expect(first.status).toBe(412);
    expect(first.headers["content-type"]).toBe("application/problem+json");
    expect(first.json).toMatchObject({ status: 412, code: "failed_precondition", field: "quantity" });
    const again = await placeOrder(door, { sku, quantity: 2 }, key);
    expect(again.text).toBe(first.text);
    expect(await countOrders(sku)).toBe(0);
  });

  test("an order that the write refuses is a failed operation, and the same problem when sent again", async () => {
    const sku = await offerProduct(door);
    const orderId = randomUUID();
    await placeOrder(door, { sku, orderId }, randomUUID());
    const key = randomUUID();
    const first = await placeOrder(door, { sku, orderId, quantity: 2 }, key);
    expect(first.status, first.text).toBe(409);
    expect(first.json).toMatchObject({ code: "already_exists" });
    const again = await placeOrder(door, { sku, orderId, quantity: 2 }, key);
    expect(again.status).toBe(409);
    expect(again.text).toBe(first.text);
    expect(await readStock(door, sku)).toMatchObject({ available: 99, sold: 1 });
  });
});

describe("idempotency", () => {
  test("the same key gives the same answer, byte for byte, and one effect", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    const first = await placeOrder(door, { sku }, key);
    const again = await placeOrder(door, { sku }, key);
    expect(first.status, first.text).toBe(200);
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    expect(again.headers["idempotency-replayed"]).toBe("true");
    expect(await countOrders(sku)).toBe(1);
  });

  test("the bare form of a key is the same key as the quoted one", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    const first = await placeOrder(door, { sku }, key);
    const again = await placeOrder(door, { sku }, undefined, { "Idempotency-Key": key });
    expect(again.text).toBe(first.text);
  });

  test("twenty requests at once with one key have one effect and one answer", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => placeOrder(door, { sku }, key)));
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.text}`)).size).toBe(1);
    expect(answers[0]?.status, answers[0]?.text).toBe(200);
    expect(await countOrders(sku)).toBe(1);
  });

  test("forty requests with one key all get the order that took the last item", async () => {
    for (let round = 0; round < 8; round++) {
      const sku = await offerProduct(door, { stock: 3 });
      const key = randomUUID();
      // One after the other, so that some of them decide in the very moment in which the first one is committed.
      const answers = await Promise.all(
        Array.from({ length: 40 }, async (_, place) => {
          await delay(place);
          return placeOrder(door, { sku, quantity: 3 }, key);
        }),
      );
      expect(answers.filter((answer) => answer.status !== 200).map((answer) => answer.text)).toEqual([]);
      expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
      expect(await readStock(door, sku)).toEqual({ available: 0, sold: 3, received: 3 });
    }
  });

  test("twenty direct commands with one key have one effect and one answer", async () => {
    const sku = await offerProduct(door, { stock: 7 });
    const headers = { "Idempotency-Key": `"${randomUUID()}"` };
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, place) => {
        await delay(place);
        return send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "-7" }, headers });
      }),
    );
    expect(answers.filter((answer) => answer.status !== 200).map((answer) => answer.text)).toEqual([]);
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
  });

  test("10,000 requests at once with 100 keys have 100 effects and 100 answers", async () => {
    const skus = await Promise.all(Array.from({ length: 100 }, () => offerProduct(door)));
    const keys = skus.map((sku) => ({ sku, key: randomUUID() }));
    const place = async ({ sku, key }: { readonly sku: string; readonly key: string }): Promise<string> => {
      for (;;) {
        const answer = await placeOrder(door, { sku }, key);
        const again = Number(answer.headers["retry-after"]);
        if (answer.status === 200 || Number.isNaN(again)) return `${key} ${answer.status} ${answer.text}`;
        // Shed, or not ended yet: a client comes again when it is told to.
        await delay(again * 1_000 * (0.5 + Math.random()));
      }
    };
    const waiting = Array.from({ length: 100 }, () => keys).flat();
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const own: string[] = [];
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) own.push(await place(next));
        return own;
      }),
    );
    expect(answers.flat()).toHaveLength(10_000);
    expect(answers.flat().filter((answer) => !answer.includes(" 200 "))).toEqual([]);
    expect(new Set(answers.flat()).size).toBe(100);
    const orders = await primary.query(
      "select count(*)::int as count from shop.orders where sku = any($1::text[])",
      [skus],
    );
    expect(orders.rows).toEqual([{ count: 100 }]);
  });

  test("the same key with another payload is refused with 422", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    await placeOrder(door, { sku }, key);
    const other = await placeOrder(door, { sku, quantity: 2 }, key);
    expect(other.status).toBe(422);
    expect(other.json).toMatchObject({ code: "key_reused", field: "Idempotency-Key" });
    expect(await countOrders(sku)).toBe(1);
  });

  test("two payloads at once under one key: one is taken, the other refused with 422", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    const answers = await Promise.all([1, 2].map((quantity) => placeOrder(door, { sku, quantity }, key)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 422]);
    expect(await countOrders(sku)).toBe(1);
  });

  test("the same key of another principal is another key", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    const [ada, bob] = await Promise.all([
      placeOrder(door, { sku }, key, { Authorization: "Bearer ada" }),
      placeOrder(door, { sku }, key, { Authorization: "Bearer bob" }),
    ]);
    expect([ada?.status, bob?.status]).toEqual([200, 200]);
    expect(ada?.json.orderId).not.toBe(bob?.json.orderId);
  });
});

describe("asynchronous commands", () => {
  const async = { Prefer: "respond-async" };

  test("a 202 names the operation, which ends with the order", async () => {
    const sku = await offerProduct(door);
    const accepted = await placeOrder(door, { sku, quantity: 4 }, randomUUID(), async);
    expect(accepted.status, accepted.text).toBe(202);
    expect(accepted.headers["retry-after"]).toBe("1");
    expect(accepted.headers["preference-applied"]).toBe("respond-async");
    const location = String(accepted.headers.location);
    expect(location).toMatch(/^\/operations\/[0-9a-f]{40}$/);
    expect(accepted.json).toMatchObject({ name: location.slice(1), done: false });
    const ended = await send("GET", door + location, { headers: { Prefer: "wait=10" } });
    expect(ended.status).toBe(200);
    expect(ended.json).toMatchObject({
      name: location.slice(1),
      done: true,
      metadata: { method: "shop.v1.Orders/PlaceOrder", state: "OPERATION_STATE_COMMITTED" },
      response: { sku, quantity: 4, status: "ORDER_STATUS_PLACED" },
    });
    expect(await countOrders(sku)).toBe(1);
  });

  test("wait=N answers with the order itself when it is there in time", async () => {
    const sku = await offerProduct(door);
    const headers = { Prefer: "respond-async, wait=10" };
    const answer = await placeOrder(door, { sku }, randomUUID(), headers);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json).toMatchObject({ sku, status: "ORDER_STATUS_PLACED" });
  });

  test("a direct command goes asynchronously too, in the crud class", async () => {
    const sku = await offerProduct(door, { stock: 1 });
    const headers = { ...async, "Idempotency-Key": `"${randomUUID()}"` };
    const accepted = await send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "2" }, headers });
    expect(accepted.status, accepted.text).toBe(202);
    const ended = await send("GET", door + accepted.headers.location, { headers: { Prefer: "wait=10" } });
    expect(ended.json).toMatchObject({ done: true, response: { available: "3" } });
  });

  test("the same key accepted twenty times at once is one operation and one order", async () => {
    const sku = await offerProduct(door);
    const key = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => placeOrder(door, { sku }, key, async)),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
    expect(new Set(answers.map((answer) => answer.headers.location)).size).toBe(1);
    await send("GET", door + answers[0]?.headers.location, { headers: { Prefer: "wait=10" } });
    expect(await countOrders(sku)).toBe(1);
  });

  test("a refusal ends the operation as failed, with its problem", async () => {
    const sku = await offerProduct(door, { stock: 1 });
    const accepted = await placeOrder(door, { sku, quantity: 2 }, randomUUID(), async);
    expect(accepted.status).toBe(202);
    const ended = await send("GET", door + accepted.headers.location, { headers: { Prefer: "wait=10" } });
    expect(ended.json).toMatchObject({
      done: true,
      metadata: { state: "OPERATION_STATE_FAILED" },
      error: { code: 9, details: [{ code: "failed_precondition", field: "quantity" }] },
    });
  });

  test("a request without a key is refused with 400", async () => {
    const answer = await placeOrder(door, { sku: "any" }, undefined, async);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ code: "key_missing", field: "Idempotency-Key" });
  });

  test("an operation that was never issued is 404", async () => {
    for (const id of ["nonsense", "0".repeat(40)]) {
      const answer = await send("GET", `${door}/operations/${id}`, { headers: { Prefer: "wait=1" } });
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({ code: "not_found" });
    }
  });
});

describe("reactions and the saga", () => {
  test("an order ends as shipped, and its customer is told exactly once", async () => {
    const sku = await offerProduct(door);
    const orderId = randomUUID();
    await placeOrder(door, { sku, orderId, quantity: 2 });
    const order = await orderReaches(door, orderId, "SHIPPED");
    expect(order.paymentReference).toMatch(/^pay_/);
    const told = await pollUntil("the confirmation", async () => {
      const found = await primary.query("select times, text from shop.confirmations where order_id = $1", [
        orderId,
      ]);
      return found.rows[0];
    });
    expect(told).toEqual({ times: 1, text: `Thank you, ada: 2 × ${sku} are on order.` });
  });

  test("an order over the limit ends as cancelled, and gives its items back", async () => {
    const sku = await offerProduct(door, { priceCents: 60_000 });
    const orderId = randomUUID();
    await placeOrder(door, { sku, orderId, quantity: 2 });
    const order = await orderReaches(door, orderId, "CANCELLED");
    expect(order.cancelReason).toBe("payment declined: over the limit");
    expect(await readStock(door, sku)).toEqual({ available: 100, sold: 0, received: 100 });
  });

  test("events of one key are in the log in the order in which they were committed", async () => {
    const sku = await offerProduct(door, { stock: 40 });
    const orderIds = Array.from({ length: 40 }, () => randomUUID());
    await Promise.all(orderIds.map((orderId) => placeOrder(door, { sku, orderId })));
    await Promise.all(orderIds.map((orderId) => orderReaches(door, orderId, "SHIPPED")));
    const logged = await pollUntil("three events for each order", async () => {
      const found = await events.query(
        "select key, array_agg(type order by seq) as types from quartet.event_log where key = any($1::text[]) and type like 'shop.%' group by key",
        [orderIds],
      );
      return found.rows.every((row) => row.types.length === 3) && found.rows;
    });
    expect(logged).toHaveLength(40);
    for (const { types } of logged) {
      expect(types).toEqual(["shop.v1.OrderPlaced", "shop.v1.OrderPaid", "shop.v1.OrderShipped"]);
    }
    const [{ head, rows, sources }] = (
      await events.query(
        "select (select seq from quartet.event_log_head)::int as head, count(*)::int as rows, count(distinct source)::int as sources from quartet.event_log",
      )
    ).rows;
    expect({ head, sources }).toEqual({ head: rows, sources: 2 });
  });
});

describe("reading one's own writes", () => {
  test("a read with the position of a direct command is never stale, 200 times", async () => {
    const sku = await offerProduct(door, { stock: 0 + 1 });
    const answeredBy = new Map<string, number>();
    for (let wanted = 2; wanted <= 201; wanted++) {
      const write = await send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta: "1" } });
      const position = String(write.headers["quartet-position"]);
      const read = await send("GET", `${door}/v1/stock/${sku}`, {
        headers: { "Quartet-Position": position },
      });
      expect(read.json.available, read.text).toBe(String(wanted));
      const by = String(read.headers["quartet-class"]);
      answeredBy.set(by, (answeredBy.get(by) ?? 0) + 1);
    }
    expect(answeredBy.get("nano")).toBeGreaterThan(190);
  });

  test("a read with the position of an offloaded command is never stale, 50 times", async () => {
    const sku = await offerProduct(door, { stock: 50 });
    for (let round = 1; round <= 50; round++) {
      const write = await placeOrder(door, { sku });
      const position = String(write.headers["quartet-position"]);
      expect((await readStock(door, sku, position)).sold).toBe(round);
    }
  });
});

describe("pushes", () => {
  const push = () => ({
    secret: cluster.secret,
    subscription: "intents",
    id: "0197a000-0000-7000-8000-000000000001",
    type: "quartet.v1.Intent",
    key: "k",
    data: {},
  });

  test("a push without a signature, or with a forged one, is refused with 401", async () => {
    const inbox = `${cluster.url("crud")}/_quartet/inbox`;
    const bare = await send("POST", inbox, { json: {} });
    expect(bare.status).toBe(401);
    expect(bare.json).toMatchObject({ code: "unauthenticated" });
    const forger = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    const forged = signPush({ ...push(), secret: forger });
    expect((await send("POST", inbox, forged)).status).toBe(401);
    const right = signPush(push());
    expect((await send("POST", inbox, { ...right, body: `${right.body} ` })).status).toBe(401);
    const old = { ...right.headers, "webhook-timestamp": "1000000000" };
    expect((await send("POST", inbox, { headers: old, body: right.body })).status).toBe(401);
  });

  test("an intent that is pushed again after its effect has no second one", async () => {
    const sku = await offerProduct(door, { stock: 10 });
    const data = {
      acceptTime: new Date().toISOString(),
      writes: [{ "@type": "type.googleapis.com/shop.v1.CommitStockAdjustment", sku, delta: "5" }],
    };
    const signed = signPush({ ...push(), id: "0197a000-0000-7000-8000-000000000002", key: sku, data });
    const inbox = `${cluster.url("crud")}/_quartet/inbox`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => send("POST", inbox, signed)));
    expect(answers.map((answer) => answer.status + answer.text)).toEqual(Array(10).fill("204"));
    expect((await readStock(cluster.url("crud"), sku)).available).toBe(15);
  });

  test("the gateway forwards nothing below /_quartet", async () => {
    const signed = signPush(push());
    for (const path of ["/_quartet/whoami", "/_quartet/inbox", "/_quartet", "/_quartet/../_quartet/inbox"]) {
      expect((await send("GET", door + path)).status, path).toBe(404);
      expect((await send("POST", door + path, signed)).status, path).toBe(404);
    }
    for (const path of [
      "/%5Fquartet/inbox",
      "//_quartet/inbox",
      "/v1/../_quartet/inbox",
      "/_quartet%2Finbox",
    ]) {
      expect([400, 404], path).toContain((await send("POST", door + path, signed)).status);
    }
  });
});

describe("dead letters", () => {
  async function publishIntent(payload: unknown): Promise<string> {
    const inserted = await events.query(
      "insert into quartet.outbox (id, aggregatetype, aggregateid, type, payload) values (uuidv7(), 'quartet.operation', $1, 'quartet.v1.Intent', $2) returning id",
      [randomUUID(), payload],
    );
    return inserted.rows[0].id;
  }

  const letterOf = (eventId: string) =>
    pollUntil("a dead letter", async () => {
      const found = await events.query("select pb from quartet.dead_letter where pb->>'eventId' = $1", [
        eventId,
      ]);
      return found.rows[0]?.pb;
    });

  test("an intent that cannot be read is a dead letter with attempts and answer", async () => {
    const writes = [{ "@type": "type.googleapis.com/shop.v1.CommitOrder", quantity: "Unheard" }];
    const eventId = await publishIntent({ operationId: "", writes });
    const letter = await letterOf(eventId);
    expect(letter).toMatchObject({ subscription: "intents", attempts: 1, lastStatus: 422, eventId });
    expect(letter.lastAnswer).toContain("unprocessable_event");
    expect(letter.destination).toBe(`${cluster.url("crud")}/_quartet/inbox`);
    expect(letter.eventData).toContain("Unheard");
  });

  test.each(["shop.v1.OrderPaid", "shop.v1.Unheard"])(
    "an intent to write %s is parked, as a newer build may know how, and holds up nothing",
    async (type) => {
      const writes = [{ "@type": `type.googleapis.com/${type}`, orderId: "a" }];
      const eventId = await publishIntent({ operationId: "", writes });
      const parked = await pollUntil("a parked event", async () => {
        const found = await events.query(
          "select attempts, last_status from quartet.delivery_parked join quartet.event_log using (seq) where event_id = $1",
          [eventId],
        );
        return found.rows[0];
      });
      expect(parked).toMatchObject({ attempts: expect.any(Number), last_status: 501 });
      const sku = await offerProduct(door);
      expect((await placeOrder(door, { sku })).status).toBe(200);
    },
  );
});
