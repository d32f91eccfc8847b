import { setTimeout as delay } from "node:timers/promises";

const firstPauseMs = 25;

/**
 * Pauses before another try, on average twice as long each time and never the same: those who failed together do not
 * come again together.
 *
 * @returns false when there is no time for it, or nobody waits any more.
 */
export async function pauseBeforeRetry(
  retry: number,
  scope: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const pauseMs = firstPauseMs * 2 ** retry * (0.5 + Math.random());
  if (Date.now() + pauseMs >= scope.deadlineMs) return false;
  return delay(pauseMs, true, { signal: scope.signal }).catch(() => false);
}
