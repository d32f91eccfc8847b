import { QuartetError, query, readSaga, type Saga, type SagaState, saga, service } from "@quartet/chassis";
import {
  OrderCancelledSchema,
  OrderPaidSchema,
  OrderPlacedSchema,
  OrderShippedSchema,
} from "../gen/shop/v1/orders_pb.ts";
import { Payments } from "../gen/shop/v1/payments_pb.ts";
import { PaymentDeclinedSchema, Purchases } from "../gen/shop/v1/purchase_pb.ts";
import {
  commitCancellation,
  commitPayment,
  commitRecall,
  commitRefund,
  commitShipment,
} from "./order-writes.ts";

/**
 * Placed → paid → shipped. When one of them does not come about, or the customer cancels meanwhile, the parcel is called
 * back, the payment given back, and the order cancelled, which gives its items back.
 *
 * @param timeoutMs how long each step may take
 */
export function createPurchase(timeoutMs: number): Saga {
  return saga("purchase", {
    start: OrderPlacedSchema,
    cancelled: OrderCancelledSchema,
    compensate: async (ctx, state) => {
      ctx.write(commitCancellation, { orderId: state.key, reason: reasonOf(state) });
    },
    steps: [
      {
        name: "pay",
        done: OrderPaidSchema,
        failed: PaymentDeclinedSchema,
        timeoutMs,
        run: async (ctx, { start: { orderId, customer, amountCents } }) => {
          const { approved, reference, reason } = await ctx
            .call(Payments)
            .authorizePayment({ orderId, customer, amountCents });
          if (approved) ctx.write(commitPayment, { orderId, reference });
          else ctx.publish(PaymentDeclinedSchema, { orderId, reason });
        },
        compensate: async (ctx, { start: { orderId, amountCents } }) => {
          await ctx.call(Payments).voidPayment({ orderId });
          ctx.write(commitRefund, { orderId, amountCents });
        },
      },
      {
        name: "ship",
        done: OrderShippedSchema,
        timeoutMs,
        run: async (ctx, { start: { orderId } }) => {
          ctx.write(commitShipment, { orderId });
        },
        compensate: async (ctx, { start: { orderId } }) => {
          ctx.write(commitRecall, { orderId });
        },
      },
    ],
  });
}

export const purchase = createPurchase(60_000);

export const purchases = service(Purchases, {
  getPurchase: query(async (ctx, { orderId }) => {
    const found = await readSaga(ctx, purchase, orderId);
    if (found !== undefined) return found;
    throw new QuartetError("not_found", `There is no purchase of an order ${orderId}.`, {
      field: "order_id",
    });
  }),
});

function reasonOf({ outcome, failure }: SagaState<typeof OrderPlacedSchema>): string {
  const declined = outcome(PaymentDeclinedSchema);
  if (declined !== undefined) return `payment declined: ${declined.reason}`;
  return failure === undefined ? "" : `${failure.step}: ${failure.reason}`;
}
