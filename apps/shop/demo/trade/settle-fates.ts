import { noteCancelAnswer } from "./cancel-order.ts";
import { followOrder } from "./follow-operation.ts";
import { noteOrderAnswer } from "./place-order.ts";
import { noteAdjustmentAnswer } from "./top-up-stock.ts";
import type { Trade } from "./trade.ts";

const waitSeconds = 5;
const rounds = 12;

/**
 * At the end of the day, when everything is up: asks again with the same key what had no definite answer, and follows
 * every accepted order until its operation has ended. What then is open has no excuse.
 */
export async function settleFates(trade: Trade, concurrency: number): Promise<void> {
  const { client, ledger } = trade;
  const open = <E extends { readonly fate: unknown }>(entries: readonly E[]) =>
    entries.filter((entry) => entry.fate === "open");
  await inParallel(open(ledger.adjustments), concurrency, async (entry) =>
    noteAdjustmentAnswer(entry, await client.settle(entry.request)),
  );
  await inParallel(open(ledger.cancellations), concurrency, async (entry) =>
    noteCancelAnswer(entry, await client.settle(entry.request)),
  );
  await inParallel(
    ledger.orders.filter((order) => order.fate.kind === "open"),
    concurrency,
    async (order) => noteOrderAnswer(trade, order, await client.settle(order.request)),
  );
  for (let round = 0; round < rounds; round++) {
    const accepted = ledger.orders.filter((order) => order.fate.kind === "accepted");
    if (accepted.length === 0) return;
    await inParallel(accepted, concurrency, (order) => followOrder(trade, order, waitSeconds));
  }
}

async function inParallel<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const run = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, run));
}
