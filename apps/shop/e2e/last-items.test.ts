import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "./open-cluster.ts";
import { openTrial } from "./open-trial.ts";
import { pollUntil } from "./poll-until.ts";
import { send } from "./send-request.ts";
import { offerProduct, placeOrder } from "./shop-client.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await openTrial();
  const replica = cluster.database("replica");
  await replica.query("alter system set recovery_min_apply_delay = '1s'");
  await replica.query("select pg_reload_conf()");
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

/** The status of an order's answer; of one whose client did not wait long enough, what its operation came to. */
async function outcomeOf(answer: Awaited<ReturnType<typeof placeOrder>>): Promise<string> {
  if (answer.status === 200) return "sold";
  if (answer.status !== 202) return String(answer.json.code);
  const ended = await pollUntil(
    "an operation's end",
    async () => {
      const { json } = await send("GET", cluster.door + answer.headers["location"], {
        headers: { Prefer: "wait=10" },
      });
      return json.done === true && json;
    },
    40_000,
  );
  return ended.error === undefined ? "sold" : String(ended.error.details[0].code);
}

/** Offloaded with a key, offloaded without one, and asynchronous ones. */
function placeOne(sku: string, index: number) {
  const order = { sku, orderId: randomUUID(), customer: "trusts" };
  const key = index % 3 === 1 ? undefined : randomUUID();
  return placeOrder(cluster.door, order, key, index % 3 === 2 ? { Prefer: "respond-async" } : {});
}

describe("orders whose write trusts what their decision read, on a replica that is a second behind", () => {
  test("sell exactly the last 10 items to 50 clients at once, and each of the others ends visibly", async () => {
    const sku = await offerProduct(cluster.door, { stock: 10 });
    const replica = cluster.database("replica");
    await pollUntil("the product on the replica", async () => {
      const seen = await replica.query("select from shop.stock where sku = $1 and available = 10", [sku]);
      return seen.rowCount === 1;
    });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => placeOne(sku, index)));
    expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThan(0);
    const outcomes = (await Promise.all(answers.map(outcomeOf))).sort();
    expect(outcomes).toEqual([...Array(40).fill("failed_precondition"), ...Array(10).fill("sold")]);
    const primary = cluster.database("primary");
    const stock = await primary.query("select available, sold from shop.stock where sku = $1", [sku]);
    expect(stock.rows).toEqual([{ available: "0", sold: "10" }]);
    const orders = await primary.query("select from shop.orders where sku = $1", [sku]);
    expect(orders.rowCount).toBe(10);
    // The replica's decisions were undone by each other, so they were made again.
    const events = await primary.query(
      "select from quartet.outbox where type = 'quartet.v1.CommandAccepted'",
    );
    expect(events.rowCount).toBeGreaterThan(0);
  });
});
