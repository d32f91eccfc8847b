import { createHash } from "node:crypto";
import { compute, service } from "@quartet/chassis";
import { Payments } from "../gen/shop/v1/payments_pb.ts";

/** Above it the pretended processor declines. */
const limitCents = 100_000n;

/** A pretended payment processor. It decides from the request alone: asked twice, it answers the same. */
export const payments = service(Payments, {
  authorizePayment: compute(({ orderId, customer, amountCents }) => {
    if (amountCents > limitCents) return { approved: false, reason: "over the limit" };
    const hash = createHash("sha256").update(`${orderId}/${customer}/${amountCents}`).digest("hex");
    return { approved: true, reference: `pay_${hash.slice(0, 16)}` };
  }),

  voidPayment: compute(({ orderId }) => ({ orderId })),
});
