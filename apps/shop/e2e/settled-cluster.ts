import type pg from "pg";
import { expect } from "vitest";
import type { Cluster } from "./open-cluster.ts";
import type { AcceptedOrder } from "./order-load.ts";
import { pollUntil } from "./poll-until.ts";

/** What must hold of a cluster once all is delivered, whatever has happened to it before. */
export async function expectSettled(cluster: Cluster, accepted: readonly AcceptedOrder[]): Promise<void> {
  const primary = cluster.database("primary");
  const events = cluster.database("events");
  await pollUntil("the end of all deliveries", () => isSettled(primary, events), 45_000, 100);
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

/**
 * Looks at what costs little until that has settled: what counts all events takes the time of what is to settle them.
 *
 * @throws Error that says what is left.
 */
async function isSettled(primary: pg.Pool, events: pg.Pool): Promise<true> {
  const open = await primary.query(
    "select count(*)::int as count from shop.orders where status not in ('ORDER_STATUS_SHIPPED', 'ORDER_STATUS_CANCELLED')",
  );
  const before = await readDeliveries(events);
  const left = { open: open.rows[0].count, ...before };
  if (left.open > 0 || !left.delivered || !left.unparked) throw new Error(JSON.stringify(left));
  const missing = await countMissing(primary, events);
  // Looked at again: the log may have grown by what was missing a moment ago.
  const after = { missing, dense: await isDense(events), ...(await readDeliveries(events)) };
  if (missing > 0 || !after.dense || !after.delivered || !after.unparked)
    throw new Error(JSON.stringify(after));
  return true;
}

interface Deliveries {
  readonly delivered: boolean;
  readonly unparked: boolean;
}

async function readDeliveries(events: pg.Pool): Promise<Deliveries> {
  const { rows } = await events.query<Deliveries>(
    `select not exists (select from quartet.delivery_cursor where seq < (select seq from quartet.event_log_head)) as delivered,
      not exists (select from quartet.delivery_parked) as unparked`,
  );
  return rows[0] ?? { delivered: false, unparked: false };
}

async function isDense(events: pg.Pool): Promise<boolean> {
  const { rows } = await events.query<{ dense: boolean }>(
    "select (select seq from quartet.event_log_head) = (select count(*) from quartet.event_log) as dense",
  );
  return rows[0]?.dense === true;
}

/** How many events of both outboxes are neither in the log nor delayed, as timeouts of sagas are. */
async function countMissing(primary: pg.Pool, events: pg.Pool): Promise<number> {
  const outboxes = await Promise.all(
    [primary, events].map((pool) => pool.query("select id from quartet.outbox")),
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
