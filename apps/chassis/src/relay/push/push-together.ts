import { isUnreachable } from "../../edge/upstream/upstream-pool.ts";
import { encodePush, type PushedEvent } from "./encode-push.ts";
import { away, fail, type Judgement, judgeAnswer, limitBody } from "./judge-answer.ts";
import type { PushAnswer, PushOutcome } from "./push-outcome.ts";
import type { PushPlan } from "./push-plan.ts";
import type { PushTarget } from "./push-target.ts";
import { sendPush } from "./send-push.ts";

/** Pushes events in one request: several to a target in batch mode, else one. */
export async function pushTogether(
  target: PushTarget,
  plan: PushPlan,
  events: readonly PushedEvent[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<PushAnswer> {
  const startMs = performance.now();
  const destination = target.next();
  const url = destination?.url ?? target.path;
  const end = (judgement: Judgement, status: number): PushAnswer => {
    return { ...judgement, durationMs: performance.now() - startMs, destination: url, status };
  };
  const same = (outcome: PushOutcome): PushAnswer => {
    return end({ outcomes: events.map(() => outcome), replies: [], endpoint: "unsent" }, 0);
  };
  const [first, ...others] = events;
  if (first === undefined) return end({ outcomes: [], replies: [], endpoint: "unsent" }, 0);
  if (destination === undefined) return same(away(url, "no process of this class is configured", true));
  let request: ReturnType<typeof encodePush>;
  try {
    request = encodePush(plan, [first, ...others], timeoutMs);
  } catch (error) {
    // An event that no CloudEvent can carry will never be taken.
    const answer = error instanceof Error ? error.message : String(error);
    return same(fail("refused", { destination: url, status: 0, answer, retryAfterMs: undefined }));
  }
  const limit = limitBody(plan, events.length);
  const answer = await sendPush(destination.dispatcher, request, limit, timeoutMs, signal);
  if (answer.error === undefined) destination.noteReached(true);
  else if (isUnreachable(answer.error)) destination.noteReached(false);
  return end(judgeAnswer(plan, events, answer, url), answer.status);
}
