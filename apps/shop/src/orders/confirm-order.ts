import { reaction } from "@quartet/chassis";
import { OrderPlacedSchema } from "../gen/shop/v1/orders_pb.ts";
import { commitConfirmation } from "./order-writes.ts";

/** Tells the customer, once. */
export const confirmOrder = reaction(OrderPlacedSchema, "confirm_order", async (ctx, placed) => {
  const { orderId, customer, quantity, sku } = placed;
  ctx.write(commitConfirmation, {
    orderId,
    text: `Thank you, ${customer}: ${quantity} × ${sku} are on order.`,
  });
});
