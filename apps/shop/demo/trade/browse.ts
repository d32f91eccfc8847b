import { itemAt } from "../random.ts";
import { faultOfRefusal, type Malformed } from "./malformed.ts";
import type { Trade } from "./trade.ts";

/** Lately placed orders that are looked up and cancelled. */
const recentOrders = 200;

/** Somebody looks at a page of the shop. */
export async function browse(trade: Trade, path: string): Promise<void> {
  const answer = await trade.client.settle({ method: "GET", path });
  trade.ledger.browsing.note(answer.status === 200 ? undefined : `${path}: answered ${answer.status}`);
}

/** Somebody looks at an order. The replica may be behind: an order placed just now may not be there yet. */
export async function lookUpOrder(trade: Trade, draw: number): Promise<void> {
  const orderId = recentOrder(trade, draw);
  if (orderId === undefined) return browse(trade, "/v1/landing");
  const path = `/v1/orders/${orderId}`;
  const { status } = await trade.client.settle({ method: "GET", path });
  const right = status === 200 || status === 404;
  trade.ledger.browsing.note(right ? undefined : `${path}: answered ${status}`);
}

/** Somebody sends what no server can make sense of. */
export async function sendMalformed(trade: Trade, malformed: Malformed): Promise<void> {
  const answer = await trade.client.settle(malformed.request);
  trade.ledger.malformed.note(faultOfRefusal(malformed, answer));
}

/** One of the last placed orders; undefined while there is none. */
export function recentOrder(trade: Trade, draw: number, among = recentOrders): string | undefined {
  const recent = trade.ledger.placed.slice(-among);
  return recent.length === 0 ? undefined : itemAt(recent, draw);
}
