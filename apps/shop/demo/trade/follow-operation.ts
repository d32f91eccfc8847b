import { itemAt } from "../random.ts";
import type { OrderEntry, OrderFate } from "./ledger.ts";
import { type Answer, textAt } from "./shop-client.ts";
import type { Trade } from "./trade.ts";

/** Accepted orders that somebody may look after; older ones are settled at the end of the day. */
const followedOrders = 500;

/** Somebody looks what became of an order that was accepted. */
export async function followSome(trade: Trade, draw: number): Promise<void> {
  const open = trade.ledger.orders.slice(-followedOrders).filter((order) => order.fate.kind === "accepted");
  if (open.length > 0) await followOrder(trade, itemAt(open, draw), 2);
}

/** Waits some seconds for the operation of an accepted order to end, and writes down how it did. */
export async function followOrder(trade: Trade, order: OrderEntry, waitSeconds: number): Promise<void> {
  const { client, ledger } = trade;
  if (order.fate.kind !== "accepted") return;
  const path = order.fate.operation;
  const answer = await client.settle({ method: "GET", path, headers: { prefer: `wait=${waitSeconds}` } });
  ledger.browsing.note(answer.status === 200 ? undefined : `${path}: answered ${answer.status}`);
  const fate = fateOf(answer);
  if (fate !== undefined) ledger.endOrder(order, fate);
}

/** Undefined while the operation has not ended. */
function fateOf(answer: Answer): OrderFate | undefined {
  const operation = answer.json as { done?: boolean; response?: unknown; error?: { details?: unknown[] } };
  if (answer.status !== 200 || operation.done !== true) return undefined;
  const orderId = textAt(operation.response, "orderId");
  if (orderId !== undefined) return { kind: "placed", orderId };
  const problem = operation.error?.details?.[0] as { status?: number } | undefined;
  return { kind: "refused", status: problem?.status ?? 0 };
}
