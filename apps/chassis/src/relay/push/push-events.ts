import type { PushedEvent } from "./encode-push.ts";
import { pushOneByOne } from "./push-one-by-one.ts";
import type { PushAnswer } from "./push-outcome.ts";
import { type PushSettings, type PushSubscription, planPushes } from "./push-plan.ts";
import type { PushTarget } from "./push-target.ts";
import { pushTogether } from "./push-together.ts";

/** One push. */
export interface Push {
  readonly subscription: PushSubscription;
  /** In the order in which they are to take effect. */
  readonly events: readonly PushedEvent[];
  /** Of the request and its whole answer. */
  readonly timeoutMs: number;
}

/**
 * Pushes events once, as signed CloudEvents in the mode of their target. Never throws for what the other side does, and
 * lasts `timeoutMs` at most.
 *
 * A batch that is refused as a whole may owe that to one of its events: its events then go one by one, in order, for
 * another `timeoutMs` at most. So does a batch with an event that cannot be encoded, and whatever is given together to a
 * target that takes one event a request. What was not reached then is `away`, as certainly not seen.
 *
 * @param signal cuts it off; what was sent may have taken effect
 */
export async function pushEvents(
  target: PushTarget,
  settings: PushSettings,
  push: Push,
  signal: AbortSignal | undefined,
): Promise<PushAnswer> {
  const { events, timeoutMs } = push;
  const plan = planPushes(target, settings, push.subscription, Date.now());
  if (events.length > 1 && plan.mode !== "batch") {
    return pushOneByOne(target, plan, events, timeoutMs, signal);
  }
  const answer = await pushTogether(target, plan, events, timeoutMs, signal);
  const isRefused = answer.outcomes.every(({ kind }) => kind === "refused");
  if (events.length < 2 || !isRefused) return answer;
  const single = await pushOneByOne(target, plan, events, timeoutMs, signal);
  return { ...single, durationMs: answer.durationMs + single.durationMs };
}
