import type { Pool } from "pg";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { lockSubscription, subscriptionWriter } from "./subscription-table.ts";

const longestReason = 1_000;

/**
 * Halts a subscription until somebody resumes it: its events wait in the log. Of one that is paused, the reason changes.
 *
 * @throws QuartetError `not_found`.
 */
export function pauseSubscription(pool: Pool, name: string, reason: string): Promise<Subscription> {
  return setPaused(pool, name, true, reason.replaceAll("\0", "").slice(0, longestReason).toWellFormed());
}

/**
 * Lets a subscription go on where it stopped.
 *
 * @throws QuartetError `not_found`.
 */
export function resumeSubscription(pool: Pool, name: string): Promise<Subscription> {
  return setPaused(pool, name, false, "");
}

function setPaused(pool: Pool, name: string, paused: boolean, pauseReason: string): Promise<Subscription> {
  return runTransaction(pool, async (client) => {
    await lockSubscription(client, name);
    return subscriptionWriter(client).update(name, (draft) => {
      draft.paused = paused;
      draft.pauseReason = pauseReason;
    });
  });
}
