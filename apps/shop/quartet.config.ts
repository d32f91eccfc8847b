import { defineDomain } from "@quartet/chassis";
import { catalog, storeProduct } from "./src/catalog/catalog.ts";
import { commitPrice, notePrice } from "./src/catalog/prices.ts";
import { schema } from "./src/gen/domain.ts";
import { confirmOrder } from "./src/orders/confirm-order.ts";
import {
  commitCancellation,
  commitConfirmation,
  commitOrder,
  commitPayment,
  commitRecall,
  commitRefund,
  commitShipment,
} from "./src/orders/order-writes.ts";
import { orders } from "./src/orders/orders.ts";
import { purchase, purchases } from "./src/orders/purchase.ts";
import { packing } from "./src/packing/packing.ts";
import { payments } from "./src/payments/payments.ts";
import { commitStockAdjustment, stockKeeping } from "./src/stock/stock.ts";

export default defineDomain({
  name: "shop",
  schema,
  services: [catalog, stockKeeping, orders, purchases, packing, payments],
  writes: [
    storeProduct,
    commitPrice,
    commitStockAdjustment,
    commitOrder,
    commitPayment,
    commitShipment,
    commitRecall,
    commitRefund,
    commitCancellation,
    commitConfirmation,
  ],
  examples: [
    {
      verb: "PUT",
      path: "/v1/products/tea-1",
      body: {
        name: "Green tea",
        category: "tea",
        priceCents: "450",
        dimensions: { lengthMm: 60, widthMm: 60, heightMm: 120 },
      },
    },
    { verb: "POST", path: "/v1/stock/tea-1:adjust", body: { delta: "100" } },
    { verb: "GET", path: "/v1/landing" },
    {
      verb: "POST",
      path: "/v1/orders",
      headers: { "Idempotency-Key": '"first-order"' },
      body: { orderId: "order-1", customer: "ada", sku: "tea-1", quantity: 2 },
    },
    { verb: "GET", path: "/v1/orders/order-1" },
  ],
  reactions: [confirmOrder, notePrice],
  sagas: [purchase],
});
