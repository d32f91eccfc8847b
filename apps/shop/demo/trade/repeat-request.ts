import { itemAt } from "../random.ts";
import { differenceOf } from "./same-answer.ts";
import { describe } from "./send-repeated.ts";
import { textAt } from "./shop-client.ts";
import type { Trade } from "./trade.ts";

/** Somebody sends a request again that was answered a while ago, with the same key: the answer is the same. */
export async function repeatRequest(trade: Trade, draw: number): Promise<void> {
  const { client, ledger } = trade;
  if (ledger.answered.length === 0) return;
  const { request, answer } = itemAt(ledger.answered, draw);
  const again = await client.settle(request);
  ledger.repeats.note(differenceOf(`later ${describe(request)}`, answer, again));
}

/** Somebody uses the key of a request that was carried out for another request: it is refused. */
export async function reuseKey(trade: Trade, draw: number): Promise<void> {
  const { client, ledger } = trade;
  const used = ledger.answered.filter(({ answer }) => answer.status === 200);
  if (used.length === 0) return;
  const { request } = itemAt(used, draw);
  const answer = await client.settle({ ...request, body: alterBody(request.body ?? "{}") });
  const refused = answer.status === 422 && textAt(answer.json, "code") === "key_reused";
  ledger.reuses.note(refused ? undefined : `${describe(request)}: answered ${answer.status}, not 422`);
}

/** The same kind of request, asking for something else. */
function alterBody(body: string): string {
  const json = JSON.parse(body) as { quantity?: number; delta?: string; reason?: string };
  if (json.quantity !== undefined) return JSON.stringify({ ...json, quantity: json.quantity + 1 });
  if (json.delta !== undefined) return JSON.stringify({ ...json, delta: String(Number(json.delta) + 1) });
  return JSON.stringify({ ...json, reason: `${json.reason}, really` });
}
