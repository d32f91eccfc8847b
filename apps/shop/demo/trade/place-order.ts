import { cancelOrder } from "./cancel-order.ts";
import type { OrderEntry, OrderFate } from "./ledger.ts";
import type { PlannedOrder } from "./plan-day.ts";
import { sendRepeated } from "./send-repeated.ts";
import { type Answer, headerOf, textAt } from "./shop-client.ts";
import { keyedRequest, type Trade } from "./trade.ts";

/** A customer orders; then, as planned, looks at the order or cancels it. */
export async function placeOrder(trade: Trade, planned: PlannedOrder): Promise<void> {
  const { ledger } = trade;
  const order = openOrder(trade, planned);
  ledger.orders.push(order);
  const answer = await sendRepeated(trade, order.request, planned.repeat);
  noteOrderAnswer(trade, order, answer);
  if (order.fate.kind !== "placed") return;
  if (planned.readsBack) await readBack(trade, order.fate.orderId, headerOf(answer, "quartet-position"));
  if (planned.cancels) await cancelOrder(trade, order.fate.orderId);
}

/** Writes down what an answer to the order says of its fate. */
export function noteOrderAnswer(trade: Trade, order: OrderEntry, answer: Answer): void {
  order.operation ??= headerOf(answer, "location");
  trade.ledger.endOrder(order, fateOf(answer));
}

function fateOf(answer: Answer): OrderFate {
  const { status, json } = answer;
  const operation = headerOf(answer, "location");
  if (status === 202 && operation !== undefined) return { kind: "accepted", operation };
  const orderId = textAt(json, "orderId");
  if (status === 200 && orderId !== undefined) return { kind: "placed", orderId };
  return { kind: "refused", status };
}

function openOrder(trade: Trade, planned: PlannedOrder): OrderEntry {
  const number = String(trade.ledger.orders.length + 1).padStart(6, "0");
  const customer = `customer-${number}`;
  const { sku, quantity } = planned;
  const body = { customer, sku, quantity, ...(planned.choosesId ? { orderId: `order-${number}` } : {}) };
  const headers: Record<string, string> = planned.async ? { prefer: "respond-async" } : {};
  const request = keyedRequest("POST", "/v1/orders", `order-${number}`, body, headers);
  return { request, customer, sku, quantity, operation: undefined, fate: { kind: "open" } };
}

/** An answer may come without a position when the database was lost just after the commit. */
async function readBack(trade: Trade, orderId: string, position: string | undefined): Promise<void> {
  if (position === undefined) return;
  const { client, ledger } = trade;
  const answer = await client.settle({
    method: "GET",
    path: `/v1/orders/${orderId}`,
    headers: { "quartet-position": position },
  });
  const seen = answer.status === 200 && textAt(answer.json, "orderId") === orderId;
  ledger.readBacks.note(seen ? undefined : `order ${orderId} at ${position}: answered ${answer.status}`);
}
