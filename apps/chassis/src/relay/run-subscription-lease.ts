import { once } from "node:events";
import type { ClassUpstreams } from "../edge/upstream/class-upstreams.ts";
import type { Subscription } from "../gen/quartet/v1/subscription_pb.ts";
import type { OutsideReach } from "../wire/http/guarded-connect.ts";
import { callbackEndpoint, withCallbackDefaults } from "./callback/callback-endpoint.ts";
import { CallbackTarget } from "./callback/callback-target.ts";
import { runSubscription } from "./delivery/run-subscription.ts";
import type { RunnerParts } from "./delivery/runner-parts.ts";
import { keepRunning } from "./keep-running.ts";
import type { Lease } from "./lease/lease.ts";
import { narrowLease } from "./lease/narrow-lease.ts";
import { type PushTarget, resolveTarget } from "./push/push-target.ts";
import type { SubscriptionWatch } from "./subscription/watch-subscriptions.ts";

/** What the subscriptions of a relay process share. */
export interface SubscriptionParts extends RunnerParts {
  readonly watch: SubscriptionWatch;
  readonly upstreams: ClassUpstreams;
  /** Of endpoints that are no class of ours. */
  readonly reach: OutsideReach;
}

/**
 * Delivers a subscription as its row says, until the lease's signal aborts; when the row changes, the run so far is ended
 * and another begins, under the same lease. Resolves before that when the run ends by itself: its replay is done, or its
 * lease is lost.
 *
 * One whose endpoint cannot be pushed to, and one that is paused, waits until its row changes.
 */
export async function runSubscriptionLease(
  name: string,
  parts: SubscriptionParts,
  lease: Lease,
): Promise<void> {
  while (!lease.signal.aborted) {
    // As it is now, and not as it was when the lease was wanted: the lease's epoch fences what was before.
    using watched = await parts.watch.watch(name);
    if (watched === undefined) return;
    const { changed } = watched;
    const isCallback = watched.subscription.endpoint === callbackEndpoint;
    const subscription = isCallback ? withCallbackDefaults(watched.subscription) : watched.subscription;
    const narrowed = narrowLease(lease, changed);
    const target = subscription.paused ? undefined : tryResolve(subscription, parts);
    if (target === undefined) {
      if (!narrowed.signal.aborted) await once(narrowed.signal, "abort");
      continue;
    }
    await using _closed = target;
    await keepRunning(lease.name, parts.logger, narrowed.signal, () =>
      runSubscription(parts, subscription, target, narrowed),
    );
    if (!narrowed.signal.aborted) return;
  }
}

/** A subscription whose endpoint cannot be pushed to is halted, and no other with it. */
function tryResolve(subscription: Subscription, parts: SubscriptionParts): PushTarget | undefined {
  try {
    if (subscription.endpoint === callbackEndpoint)
      return new CallbackTarget(parts.push.registry, parts.reach);
    return resolveTarget(subscription, parts.upstreams, parts.reach);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = "subscription halted until it is changed";
    parts.logger.error({ subscription: subscription.name, reason }, message);
    return undefined;
  }
}
