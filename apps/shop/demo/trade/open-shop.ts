import { pollUntil } from "../poll-until.ts";
import type { Article } from "./assortment.ts";
import { headerOf } from "./shop-client.ts";
import { topUpStock } from "./top-up-stock.ts";
import { keyedRequest, type Trade } from "./trade.ts";

const replicaLimitMs = 30_000;

/** Puts the assortment into the catalog and on the shelf; resolves once the replica shows it. */
export async function openShop(trade: Trade, signal: AbortSignal): Promise<void> {
  for (const article of trade.assortment) {
    await putProduct(trade, article);
    const { sku, initialStock } = article;
    await topUpStock(trade, { sku, delta: initialStock, repeat: "once", readsBack: true });
  }
  const last = trade.assortment.at(-1)?.sku;
  await pollUntil("the replica shows the assortment", replicaLimitMs, signal, async () => {
    const answer = await trade.client.settle({ method: "GET", path: `/v1/stock/${last}` });
    return answer.status === 200 || undefined;
  });
}

async function putProduct(trade: Trade, article: Article): Promise<void> {
  const { sku, name, category, priceCents } = article;
  const dimensions = { lengthMm: 60, widthMm: 80, heightMm: 120 };
  const body = { name, category, priceCents: String(priceCents), dimensions };
  const answer = await trade.client.settle(
    keyedRequest("PUT", `/v1/products/${sku}`, `product-${sku}`, body),
  );
  if (answer.status !== 200 || headerOf(answer, "quartet-position") === undefined) {
    throw new Error(`The catalog did not take ${sku}: ${answer.status} ${JSON.stringify(answer.json)}`);
  }
}
