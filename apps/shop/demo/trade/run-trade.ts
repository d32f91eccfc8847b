import { browse, lookUpOrder, recentOrder, sendMalformed } from "./browse.ts";
import { cancelOrder } from "./cancel-order.ts";
import { followSome } from "./follow-operation.ts";
import { placeOrder } from "./place-order.ts";
import type { Action } from "./plan-day.ts";
import { repeatRequest, reuseKey } from "./repeat-request.ts";
import { topUpStock } from "./top-up-stock.ts";
import type { Trade } from "./trade.ts";

/** Cancelling is in time for an order only while it is young. */
const youngOrders = 10;

/**
 * Runs a day's actions, so many at once, until it is over. What got no definite answer stays open in the ledger.
 *
 * @param isOver asked before each action
 * @returns what went wrong, for people
 */
export async function runTrade(
  trade: Trade,
  day: Iterator<Action, never>,
  concurrency: number,
  isOver: () => boolean,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const faults: string[] = [];
  const work = async () => {
    while (!isOver()) {
      await act(trade, day.next().value).catch((error: unknown) => {
        signal.throwIfAborted();
        faults.push(error instanceof Error ? error.message : String(error));
      });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return faults;
}

async function act(trade: Trade, action: Action): Promise<void> {
  switch (action.kind) {
    case "browse":
      return browse(trade, action.path);
    case "look up":
      return lookUpOrder(trade, action.draw);
    case "order":
      return placeOrder(trade, action);
    case "top up":
      return topUpStock(trade, action);
    case "cancel":
      return cancelSome(trade, action.draw);
    case "repeat":
      return repeatRequest(trade, action.draw);
    case "reuse key":
      return reuseKey(trade, action.draw);
    case "follow":
      return followSome(trade, action.draw);
    case "malformed":
      return sendMalformed(trade, action.malformed);
  }
}

async function cancelSome(trade: Trade, draw: number): Promise<void> {
  const orderId = recentOrder(trade, draw, youngOrders);
  if (orderId !== undefined) await cancelOrder(trade, orderId);
}
