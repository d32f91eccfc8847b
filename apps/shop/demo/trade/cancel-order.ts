import type { CancellationEntry } from "./ledger.ts";
import { sendRepeated } from "./send-repeated.ts";
import type { Answer } from "./shop-client.ts";
import { keyedRequest, type Trade } from "./trade.ts";

/** A customer cancels an order, and is too late where it has shipped. */
export async function cancelOrder(trade: Trade, orderId: string): Promise<void> {
  const { cancellations } = trade.ledger;
  const key = `cancel-${cancellations.length + 1}`;
  const request = keyedRequest("POST", `/v1/orders/${orderId}:cancel`, key, { reason: "changed my mind" });
  const entry: CancellationEntry = { request, orderId, fate: "open" };
  cancellations.push(entry);
  noteCancelAnswer(entry, await sendRepeated(trade, request, "once"));
}

export function noteCancelAnswer(entry: CancellationEntry, answer: Answer): void {
  entry.fate = answer.status === 200 ? "done" : "refused";
}
