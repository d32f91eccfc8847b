import { expect } from "vitest";
import type { Cluster } from "./open-cluster.ts";
import type { AcceptedOrder } from "./order-load.ts";
import { pollUntil } from "./poll-until.ts";

/** What must hold of a cluster once all is delivered, whatever has happened to it before. */
export async function expectSettled(cluster: Cluster, accepted: readonly AcceptedOrder[]): Promise<void> {
  const primary = cluster.database("primary");
  const events = cluster.database("events");
  await pollUntil(
    "the end of all deliveries",
    async () => {
      const [state] = (
        await events.query(`select (select seq from quartet.event_log_head) = (select count(*) from quartet.event_log) as dense,
          not exists (select from quartet.delivery_cursor where seq < (select seq from quartet.event_log_head)) as delivered,
          not exists (select from quartet.delivery_parked) as unparked`)
      ).rows;
      const logged = await countMissing(cluster);
      const open = await primary.query(
        "select count(*)::int as count from shop.orders where status not in ('ORDER_STATUS_SHIPPED', 'ORDER_STATUS_CANCELLED')",
      );
      const left = { ...state, missing: logged, open: open.rows[0].count };
      if (!state.dense || !state.delivered || !state.unparked || logged > 0 || left.open > 0)
        throw new Error(JSON.stringify(left));
      return true;
    },
    45_000,
    100,
  );
  const ids = accepted.map((order) => order.orderId);
  const orders = await primary.query("select order_id from shop.orders where order_id = any($1::text[])", [
    ids,
  ]);
  expect(orders.rowCount).toBe(ids.length);
  const stocks = await primary.query(`select sku, available + sold = received as balanced,
    sold = coalesce((select sum(quantity) from shop.orders o where o.sku = s.sku and status <> 'ORDER_STATUS_CANCELLED'), 0) as sold_right
    from shop.stock s where not (available + sold = received) or sold <> coalesce(
      (select sum(quantity) from shop.orders o where o.sku = s.sku and status <> 'ORDER_STATUS_CANCELLED'), 0)`);
  expect(stocks.rows).toEqual([]);
  const told = await primary.query(
    "select times, count(*)::int as count from shop.confirmations where order_id = any($1::text[]) group by times",
    [ids],
  );
  expect(told.rows).toEqual(ids.length === 0 ? [] : [{ times: 1, count: ids.length }]);
  const dead = await events.query(
    "select pb->>'subscription' as subscription, pb->>'lastAnswer' as answer from quartet.dead_letter",
  );
  expect(dead.rows).toEqual([]);
}

/** How many events of both outboxes are neither in the log nor delayed, as timeouts of sagas are. */
async function countMissing(cluster: Cluster): Promise<number> {
  const events = cluster.database("events");
  const outboxes = await Promise.all(
    [cluster.database("primary"), events].map((pool) => pool.query("select id from quartet.outbox")),
  );
  const ids = outboxes.flatMap((result) => result.rows.map((row) => row.id));
  const found = await events.query(
    `select count(*)::int as count from (
      select event_id from quartet.event_log union select event_id from quartet.event_log_delayed
    ) known where event_id = any($1::uuid[])`,
    [ids],
  );
  return ids.length - found.rows[0].count;
}
