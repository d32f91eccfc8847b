import type { AdjustmentEntry } from "./ledger.ts";
import type { PlannedTopUp } from "./plan-day.ts";
import { sendRepeated } from "./send-repeated.ts";
import { type Answer, headerOf, textAt } from "./shop-client.ts";
import { keyedRequest, type Trade } from "./trade.ts";

/** The shopkeeper puts more on the shelf, and may look whether it is there. */
export async function topUpStock(trade: Trade, planned: Omit<PlannedTopUp, "kind">): Promise<void> {
  const { adjustments } = trade.ledger;
  const { sku, delta } = planned;
  const key = `adjust-${adjustments.length + 1}`;
  const request = keyedRequest("POST", `/v1/stock/${sku}:adjust`, key, { delta: String(delta) });
  const entry: AdjustmentEntry = { request, sku, delta, fate: "open" };
  adjustments.push(entry);
  const answer = await sendRepeated(trade, request, planned.repeat);
  noteAdjustmentAnswer(entry, answer);
  if (planned.readsBack && entry.fate === "done") await readBack(trade, sku, answer);
}

export function noteAdjustmentAnswer(entry: AdjustmentEntry, answer: Answer): void {
  entry.fate = answer.status === 200 ? "done" : "refused";
}

/** What was received only grows, so that a read at the position shows at least what the write left. */
async function readBack(trade: Trade, sku: string, written: Answer): Promise<void> {
  const position = headerOf(written, "quartet-position");
  if (position === undefined) return;
  const { client, ledger } = trade;
  const headers = { "quartet-position": position };
  const answer = await client.settle({ method: "GET", path: `/v1/stock/${sku}`, headers });
  const [before, after] = [receivedOf(written), receivedOf(answer)];
  const fault = `stock of ${sku} at ${position}: wrote ${before}, read ${after}`;
  ledger.readBacks.note(after >= before ? undefined : fault);
}

function receivedOf(answer: Answer): number {
  return Number(textAt(answer.json, "received") ?? Number.NaN);
}
