import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import type { Lease } from "../lease/lease.ts";
import type { PushTarget } from "../push/push-target.ts";
import { removeSubscription } from "../subscription/delete-subscription.ts";
import { compileMatcher } from "../subscription/match-event.ts";
import { type CursorFence, holdFence, takeCursor } from "./cursor.ts";
import { planDelivery } from "./delivery-plan.ts";
import { isLeaseLost } from "./delivery-store.ts";
import { arrangeParked } from "./parked-events.ts";
import type { RunnerParts } from "./runner-parts.ts";
import { SubscriptionRunner } from "./subscription-runner.ts";

/**
 * Delivers the log to a subscription until the signal of its lease aborts; then waits a while for pushes under way, stores
 * the cursor, and resolves. A replay deletes itself when it has delivered its last event.
 *
 * All that is stored is fenced by the lease's epoch: when another relay has taken the subscription, or it is deleted, this
 * one ends quietly.
 *
 * @throws what the database throws at the beginning, and faults of our own.
 */
export async function runSubscription(
  parts: RunnerParts,
  subscription: Subscription,
  target: PushTarget,
  lease: Lease,
): Promise<void> {
  const fence: CursorFence = { subscription: subscription.name, epoch: lease.epoch };
  try {
    const cursor = await runTransaction(parts.pool, async (client) => {
      const taken = await takeCursor(client, fence);
      await arrangeParked(client, subscription.name, planDelivery(subscription).order);
      return taken;
    });
    const matches = compileMatcher(subscription, parts.domain.name);
    const runner = new SubscriptionRunner(parts, subscription, target, matches, fence, cursor);
    if ((await runner.run(lease.signal)) === "replayed") await endReplay(parts, fence);
  } catch (error) {
    if (!isLeaseLost(error)) throw error;
    parts.logger.info({ subscription: subscription.name, epoch: lease.epoch }, "lost the lease");
  }
}

async function endReplay({ pool, logger }: RunnerParts, fence: CursorFence): Promise<void> {
  await runTransaction(pool, async (client) => {
    await holdFence(client, fence, "update");
    await removeSubscription(client, fence.subscription);
  });
  logger.info({ subscription: fence.subscription }, "replay ended");
}
