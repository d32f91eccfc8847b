import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "../../gen/quartet/v1/options_pb.ts";
import { Delivery_BackoffPolicy } from "../../gen/quartet/v1/options_pb.ts";

/** Delivery settings with every default in place. Names follow Knative's DeliverySpec. */
export interface DeliverySettings {
  /** Attempts after the first one. */
  readonly retry: number;
  readonly policy: "linear" | "exponential";
  readonly delayMs: number;
  readonly timeoutMs: number;
  readonly retryAfterMaxMs: number;
}

const longestDelayMs = 60_000;
/** What a timer can wait for: a longer one would end at once. */
const longestTimerMs = 2 ** 31 - 1;

export function deliverySettings(delivery: Delivery | undefined): DeliverySettings {
  const ms = (value: Delivery["timeout"], byDefault: number) =>
    value === undefined ? byDefault : durationMs(value);
  return {
    retry: delivery?.retry || 10,
    policy: delivery?.backoffPolicy === Delivery_BackoffPolicy.LINEAR ? "linear" : "exponential",
    delayMs: ms(delivery?.backoffDelay, 200),
    // In no time at all nothing could be pushed.
    timeoutMs: Math.min(longestTimerMs, Math.max(0, ms(delivery?.timeout, 0)) || 10_000),
    retryAfterMaxMs: ms(delivery?.retryAfterMax, 60_000),
  };
}

/**
 * The pause before the next attempt: full jitter over the policy's delay, or what `Retry-After` says when that is
 * longer.
 *
 * @param attempts made so far, from 1
 * @param random in [0, 1)
 */
export function backoffMs(
  settings: DeliverySettings,
  attempts: number,
  retryAfterMs: number | undefined,
  random: number = Math.random(),
): number {
  const factor = settings.policy === "linear" ? attempts : 2 ** Math.min(attempts - 1, 30);
  const jittered = random * Math.min(longestDelayMs, settings.delayMs * factor);
  const asked = Math.min(retryAfterMs ?? 0, settings.retryAfterMaxMs);
  return Math.max(jittered, asked);
}
