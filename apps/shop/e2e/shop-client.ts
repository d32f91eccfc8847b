import { randomUUID } from "node:crypto";
import { pollUntil } from "./poll-until.ts";
import { type Answer, send } from "./send-request.ts";

/** Puts a product on sale: a price, and items on the shelf. Returns its sku, which no other test has. */
export async function offerProduct(
  door: string,
  offer: { readonly priceCents?: number; readonly stock?: number } = {},
): Promise<string> {
  const sku = `sku-${randomUUID()}`;
  const product = { name: "Green tea", category: "tea", priceCents: String(offer.priceCents ?? 450) };
  const put = await send("PUT", `${door}/v1/products/${sku}`, { json: product });
  const delta = String(offer.stock ?? 100);
  const adjusted = await send("POST", `${door}/v1/stock/${sku}:adjust`, { json: { delta } });
  if (put.status !== 200 || adjusted.status !== 200)
    throw new Error(`not on sale: ${put.text} ${adjusted.text}`);
  // Commands decide off the replica: from now on it shows the product.
  const position = String(adjusted.headers["quartet-position"]);
  const seen = await send("GET", `${door}/v1/stock/${sku}`, { headers: { "Quartet-Position": position } });
  if (seen.status !== 200) throw new Error(`not seen: ${seen.text}`);
  return sku;
}

/** What an order is placed with. */
export interface NewOrder {
  readonly sku: string;
  readonly orderId?: string;
  readonly customer?: string;
  readonly quantity?: number;
}

/** Places an order, with an idempotency key when there is one. */
export function placeOrder(
  door: string,
  order: NewOrder,
  key?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send("POST", `${door}/v1/orders`, {
    json: { customer: "ada", quantity: 1, ...order },
    headers: { ...(key === undefined ? {} : { "Idempotency-Key": `"${key}"` }), ...headers },
  });
}

/** Waits until an order has a status. */
export function orderReaches(door: string, orderId: string, status: string, limitMs = 15_000) {
  return pollUntil(
    `order ${orderId} is ${status}`,
    async () => {
      const { json } = await send("GET", `${door}/v1/orders/${orderId}`);
      return json.status === `ORDER_STATUS_${status}` && json;
    },
    limitMs,
  );
}

/** The stock of a sku as numbers. */
export async function readStock(door: string, sku: string, position?: string) {
  const headers: Record<string, string> = position === undefined ? {} : { "Quartet-Position": position };
  const { json } = await send("GET", `${door}/v1/stock/${sku}`, { headers });
  return { available: Number(json.available), sold: Number(json.sold), received: Number(json.received) };
}
