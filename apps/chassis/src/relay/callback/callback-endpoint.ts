import { clone, create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { DeliverySchema } from "../../gen/quartet/v1/options_pb.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";

/** The endpoint of the subscription of callbacks: each of its events says itself where it goes. */
export const callbackEndpoint = "callback:";

/**
 * The subscription of callbacks with defaults of its own, each where nobody has set another: more at once, since many hosts
 * share them, and attempts for half an hour, since a host that is away does not halt the subscription.
 */
export function withCallbackDefaults(subscription: Subscription): Subscription {
  const settled = clone(SubscriptionSchema, subscription);
  settled.concurrency ||= 64;
  settled.delivery ??= create(DeliverySchema);
  settled.delivery.retry ||= 50;
  settled.delivery.backoffDelay ??= durationFromMs(1_000);
  return settled;
}
