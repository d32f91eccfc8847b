import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { QuartetError, type WriteContext, write } from "@quartet/chassis";
import {
  CommitCancellationSchema,
  CommitConfirmationSchema,
  CommitOrderSchema,
  CommitPaymentSchema,
  CommitShipmentSchema,
  ConfirmationSchema,
  type Order,
  OrderCancelledSchema,
  OrderPaidSchema,
  OrderPlacedSchema,
  OrderSchema,
  OrderShippedSchema,
  OrderStatus,
} from "../gen/shop/v1/orders_pb.ts";
import {
  CommitRecallSchema,
  CommitRefundSchema,
  PaymentRefundedSchema,
  RefundSchema,
} from "../gen/shop/v1/purchase_pb.ts";
import { StockSchema } from "../gen/shop/v1/stock_pb.ts";

/** Takes the items from the shelf and records the order, or does neither. */
export const commitOrder = write(CommitOrderSchema, async (tx, intent) => {
  const { orderId, customer, sku, quantity, amountCents, box } = intent;
  await tx.table(StockSchema).update(sku, (stock) => {
    if (stock.available < BigInt(quantity)) {
      throw new QuartetError("failed_precondition", `Only ${stock.available} of ${sku} are left.`, {
        field: "quantity",
      });
    }
    stock.available -= BigInt(quantity);
    stock.sold += BigInt(quantity);
  });
  const order = await tx.table(OrderSchema).insert({
    orderId,
    customer,
    sku,
    quantity,
    amountCents,
    box,
    status: OrderStatus.PLACED,
    placeTime: timestampFromDate(tx.acceptTime),
  });
  tx.publish(OrderPlacedSchema, { orderId, customer, sku, quantity, amountCents });
  return order;
});

export const commitPayment = write(CommitPaymentSchema, async (tx, { orderId, reference }) =>
  advance(tx, orderId, OrderStatus.PLACED, (order) => {
    order.status = OrderStatus.PAID;
    order.paymentReference = reference;
    tx.publish(OrderPaidSchema, { orderId, reference });
  }),
);

export const commitShipment = write(CommitShipmentSchema, async (tx, { orderId }) =>
  advance(tx, orderId, OrderStatus.PAID, (order) => {
    order.status = OrderStatus.SHIPPED;
    tx.publish(OrderShippedSchema, { orderId });
  }),
);

/** Calls a parcel back that was sent after all. */
export const commitRecall = write(CommitRecallSchema, async (tx, { orderId }) =>
  advance(tx, orderId, OrderStatus.SHIPPED, (order) => {
    order.status = OrderStatus.PAID;
  }),
);

/** Gives an order's payment back, if there was one, once. */
export const commitRefund = write(CommitRefundSchema, async (tx, intent) => {
  const { orderId, amountCents } = intent;
  const order = await tx.table(OrderSchema).getForUpdate(orderId);
  const paymentReference = order?.paymentReference;
  if (paymentReference === undefined) return intent;
  if (await tx.table(RefundSchema).insertIfAbsent({ orderId, paymentReference, amountCents })) {
    tx.publish(PaymentRefundedSchema, { orderId, paymentReference });
  }
  return intent;
});

/** Cancels an order that has not shipped and gives its items back. */
export const commitCancellation = write(CommitCancellationSchema, async (tx, { orderId, reason }) => {
  const orders = tx.table(OrderSchema);
  const before = await orders.getForUpdate(orderId);
  if (before === undefined)
    throw new QuartetError("not_found", `There is no order ${orderId}.`, { field: "order_id" });
  if (before.status === OrderStatus.CANCELLED) return before;
  if (before.status === OrderStatus.SHIPPED) {
    throw new QuartetError("failed_precondition", `Order ${orderId} has shipped.`);
  }
  await tx.table(StockSchema).update(before.sku, (stock) => {
    stock.available += BigInt(before.quantity);
    stock.sold -= BigInt(before.quantity);
  });
  tx.publish(OrderCancelledSchema, { orderId, reason });
  return orders.update(orderId, (order) => {
    order.status = OrderStatus.CANCELLED;
    order.cancelReason = reason;
  });
});

export const commitConfirmation = write(CommitConfirmationSchema, async (tx, { orderId, text }) => {
  const confirmations = tx.table(ConfirmationSchema);
  await confirmations.insertIfAbsent({ orderId, text });
  return confirmations.update(orderId, (confirmation) => {
    confirmation.times += 1;
  });
});

/** Moves an order on from `from`. One that has moved elsewhere meanwhile (cancelled, most likely) stays as it is. */
async function advance(
  tx: WriteContext,
  orderId: string,
  from: OrderStatus,
  move: (order: Order) => void,
): Promise<Order> {
  return tx.table(OrderSchema).update(orderId, (order) => {
    if (order.status === from) move(order);
  });
}
