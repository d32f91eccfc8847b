import { DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import type { PushedEvent } from "./encode-push.ts";
import { away, fail } from "./judge-answer.ts";
import type { EndpointVerdict, PushAnswer, PushOutcome } from "./push-outcome.ts";
import type { PushPlan } from "./push-plan.ts";
import type { PushTarget } from "./push-target.ts";
import { pushTogether } from "./push-together.ts";

const verdictRank: readonly EndpointVerdict[] = ["unsent", "answered", "overloaded", "unreachable"];

/**
 * Pushes events in a request each, in order, for `timeoutMs` in all. Stops at the first event that the endpoint does not
 * judge: those behind it have the same to expect. Those that wait by the subscription's order for one that failed are not
 * sent either.
 */
export async function pushOneByOne(
  target: PushTarget,
  plan: PushPlan,
  events: readonly PushedEvent[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<PushAnswer> {
  const startMs = performance.now();
  const deadlineMs = startMs + timeoutMs;
  const failedKeys = new FailedKeys(plan.subscription.order);
  const outcomes: PushOutcome[] = [];
  const answers: PushAnswer[] = [];
  let isStopped = false;
  for (const pushed of events) {
    const leftMs = Math.floor(deadlineMs - performance.now());
    const destination = answers.at(-1)?.destination ?? target.path;
    if (isStopped || leftMs < 1) {
      outcomes.push(
        away(destination, "not sent: the push of events before it did not end well in time", true),
      );
    } else if (failedKeys.has(pushed.event.key)) {
      outcomes.push(behind(destination));
    } else {
      const answer = await pushTogether(target, plan, [pushed], leftMs, signal);
      answers.push(answer);
      outcomes.push(...answer.outcomes);
      const kind = answer.outcomes[0]?.kind;
      if (kind === "retry") failedKeys.add(pushed.event.key);
      isStopped = kind === "away" || kind === "gone";
    }
  }
  return merge(answers, outcomes, performance.now() - startMs);
}

/** Which events of a batch have to wait for one before them that failed. */
class FailedKeys {
  readonly #order: DeliveryOrder;
  readonly #keys = new Set<string>();

  constructor(order: DeliveryOrder) {
    this.#order = order;
  }

  add(key: string): void {
    this.#keys.add(key);
  }

  has(key: string): boolean {
    if (this.#order === DeliveryOrder.NONE) return false;
    return this.#order === DeliveryOrder.TOTAL ? this.#keys.size > 0 : this.#keys.has(key);
  }
}

/** As a receiver of ours answers within a batch. */
function behind(destination: string): PushOutcome {
  const answer = "not sent: an event before it, of its key, failed";
  return fail("retry", { destination, status: 425, answer, retryAfterMs: undefined });
}

function merge(answers: readonly PushAnswer[], outcomes: PushOutcome[], durationMs: number): PushAnswer {
  const last = answers.at(-1);
  const ranks = answers.map(({ endpoint }) => verdictRank.indexOf(endpoint));
  return {
    outcomes,
    replies: answers.flatMap(({ replies }) => replies),
    endpoint: verdictRank[Math.max(0, ...ranks)] ?? "unsent",
    durationMs,
    destination: last?.destination ?? "",
    status: last?.status ?? 0,
  };
}
