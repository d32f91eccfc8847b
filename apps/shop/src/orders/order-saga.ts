import { reaction } from "@quartet/chassis";
import { OrderPaidSchema, OrderPlacedSchema, OrderSchema, OrderStatus } from "../gen/shop/v1/orders_pb.ts";
import { Payments } from "../gen/shop/v1/payments_pb.ts";
import { commitCancellation, commitConfirmation, commitPayment, commitShipment } from "./order-writes.ts";

/**
 * The saga: placed → (payment authorised) paid → shipped; or placed → (declined) cancelled, which compensates by giving
 * the stock back. Steps are connected by events alone.
 */
export const requestPayment = reaction(OrderPlacedSchema, "request_payment", async (ctx, placed) => {
  const { orderId, customer, amountCents } = placed;
  const authorization = await ctx.call(Payments).authorizePayment({ orderId, customer, amountCents });
  if (authorization.approved) ctx.write(commitPayment, { orderId, reference: authorization.reference });
  else ctx.write(commitCancellation, { orderId, reason: `payment declined: ${authorization.reason}` });
});

export const shipOrder = reaction(OrderPaidSchema, "ship_order", async (ctx, { orderId }) => {
  const order = await ctx.table(OrderSchema).get(orderId);
  if (order?.status === OrderStatus.PAID) ctx.write(commitShipment, { orderId });
});

/** Tells the customer, once. */
export const confirmOrder = reaction(OrderPlacedSchema, "confirm_order", async (ctx, placed) => {
  const { orderId, customer, quantity, sku } = placed;
  ctx.write(commitConfirmation, {
    orderId,
    text: `Thank you, ${customer}: ${quantity} × ${sku} are on order.`,
  });
});
