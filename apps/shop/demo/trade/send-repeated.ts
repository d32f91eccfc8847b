import type { Repeat } from "./plan-day.ts";
import { differenceOf } from "./same-answer.ts";
import type { Answer, ShopRequest } from "./shop-client.ts";
import type { Trade } from "./trade.ts";

/** Sends a keyed request, once or twice at the same time, and notes whether the answers agree. */
export async function sendRepeated(trade: Trade, request: ShopRequest, repeat: Repeat): Promise<Answer> {
  const { client, ledger } = trade;
  if (repeat === "once") {
    const answer = await client.settle(request);
    ledger.remember({ request, answer });
    return answer;
  }
  const [answer, other] = await Promise.all([client.settle(request), client.settle(request)]);
  ledger.repeats.note(differenceOf(`together ${describe(request)}`, answer, other));
  ledger.remember({ request, answer });
  return answer;
}

/** A keyed request for people. */
export function describe(request: ShopRequest): string {
  return `${request.method} ${request.path} ${request.headers?.["idempotency-key"] ?? ""}`;
}
