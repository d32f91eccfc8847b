import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import purchases from "./fixtures/purchases/quartet.config.ts";
import { type Cluster, openCluster } from "./open-cluster.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { expectSettled } from "./settled-cluster.ts";
import { offerProduct, orderReaches, placeOrder } from "./shop-client.ts";

let cluster: Cluster;
let door: string;
let sku: string;

beforeAll(async () => {
  const project = fileURLToPath(new URL("fixtures/purchases/", import.meta.url));
  cluster = await openCluster({ project, domain: purchases.name });
  door = cluster.door;
  sku = await offerProduct(door, { stock: 10_000 });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Places an order that is paid for as its customer's payment processor does. */
async function place(customer: string): Promise<string> {
  const orderId = `${customer}-${randomUUID()}`;
  const sent = async () => {
    const answer = await placeOrder(door, { orderId, sku, customer, quantity: 2 }, orderId);
    return [200, 202].includes(answer.status);
  };
  await pollUntil(`order ${orderId}`, sent, 40_000);
  return orderId;
}

/** How far an order's purchase is, once it has ended. */
async function ended(orderId: string) {
  return pollUntil(
    `the end of the purchase of ${orderId}`,
    async () => {
      const { json } = await send("GET", `${door}/v1/orders/${orderId}/purchase`);
      return json.endTime !== undefined && json.endTime !== null && json;
    },
    45_000,
  );
}

/** Orders that have ended otherwise than shipped and paid once, or cancelled and refunded once if they were paid. */
async function wrongEnds(orderIds: readonly string[]): Promise<unknown[]> {
  const { rows } = await cluster.database("primary").query(
    `select order_id, status, paid, refunds, told, ended from (
  select o.order_id, replace(o.status, 'ORDER_STATUS_', '') as status, o.payment_reference is not null as paid,
    (select count(*)::int from shop.refunds r where r.order_id = o.order_id) as refunds,
    (select count(*)::int from quartet.outbox b where b.aggregateid = o.order_id
      and b.type = 'shop.v1.PaymentRefunded') as told,
    (select replace(s.status, 'SAGA_STATUS_', '') from quartet.saga s where s.instance_key = o.order_id) as ended
  from shop.orders o where o.order_id = any($1::text[])) each
where not coalesce((status = 'SHIPPED' and paid and refunds = 0 and told = 0 and ended = 'COMPLETED')
  or (status = 'CANCELLED' and refunds = paid::int and told = paid::int and ended = 'COMPENSATED'), false)`,
    [orderIds],
  );
  return rows;
}

test("whether the payment lambda fails, hangs, or answers late or twice, all is done once or undone once", async () => {
  const customers = ["fine", "flaky", "declined", "broken", "late", "silent"];
  const placed = await Promise.all(customers.map(place));
  const ends = await Promise.all(placed.map(ended));
  const statuses = ends.map(({ status }) => String(status).replace("SAGA_STATUS_", ""));
  expect(Object.fromEntries(customers.map((customer, index) => [customer, statuses[index]]))).toEqual({
    fine: "COMPLETED",
    flaky: "COMPLETED",
    declined: "COMPENSATED",
    broken: "COMPENSATED",
    late: "COMPENSATED",
    silent: "COMPENSATED",
  });
  expect(ends[3]).toMatchObject({ failedStep: "pay", reason: "no outcome within 5000 ms" });
  const declined = await orderReaches(door, placed[2] ?? "", "CANCELLED");
  expect(declined.cancelReason).toBe("payment declined: no");
  await expectSettled(cluster, []);
  expect(await wrongEnds(placed)).toEqual([]);
  const twice = await cluster
    .database("events")
    .query(
      "select count(*)::int as count from quartet.event_log where key = $1 and type = 'shop.v1.OrderPaid'",
      [placed[0]],
    );
  expect(twice.rows).toEqual([{ count: 2 }]);
});

test("kill -9 of relay and crud, and cancellations meanwhile, leave no purchase half done", {
  timeout: 120_000,
}, async () => {
  const customers = Array.from(
    { length: 60 },
    (_, index) => ["fine", "flaky", "declined", "broken"][index % 4] ?? "",
  );
  const placing = Promise.all(
    customers.map(async (customer, index) => {
      const orderId = await place(customer);
      if (index % 5 === 0) {
        await send("POST", `${door}/v1/orders/${orderId}:cancel`, {
          json: { reason: "changed my mind" },
        }).catch(
          () => undefined, // the crud may just be dead: then it is not cancelled
        );
      }
      return orderId;
    }),
  );
  for (const victims of [["relay"], ["crud"], ["relay", "crud"]]) {
    const before = await Promise.all(victims.map((victim) => cluster.kill(victim)));
    await Promise.all(victims.map((victim, index) => cluster.restarted(victim, before[index] ?? 0)));
  }
  const placed = await placing;
  await Promise.all(placed.map(ended));
  await expectSettled(cluster, []);
  expect(await wrongEnds(placed)).toEqual([]);
});
