import type { Article } from "./assortment.ts";
import type { Ledger } from "./ledger.ts";
import type { ShopClient, ShopRequest } from "./shop-client.ts";

/** What everybody who trades shares. */
export interface Trade {
  readonly client: ShopClient;
  readonly ledger: Ledger;
  readonly assortment: readonly Article[];
}

/** A command with an idempotency key: it may be sent as often as needed. */
export function keyedRequest(
  method: "POST" | "PUT",
  path: string,
  key: string,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): ShopRequest {
  return {
    method,
    path,
    headers: { "content-type": "application/json", "idempotency-key": `"${key}"`, ...headers },
    body: JSON.stringify(body),
  };
}
