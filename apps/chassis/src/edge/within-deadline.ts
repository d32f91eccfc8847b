import { QuartetError } from "../error/quartet-error.ts";
import { requireTime } from "../error/require-time.ts";

/** What the work may take past its deadline to end by itself, with an answer that says more than ours. */
export const graceMs = 1_000;

/**
 * Begins `work` unless its deadline has passed, and waits no longer for it than that allows: a handler that never ends
 * does not keep its caller. The work itself has the signal to stop by.
 *
 * @throws QuartetError `deadline_exceeded`
 */
export async function withinDeadline<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
  requireTime(deadlineMs);
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => expired.reject(new QuartetError("deadline_exceeded", "The handler did not answer in time.")),
    Math.max(0, deadlineMs - Date.now()) + graceMs,
  );
  try {
    return await Promise.race([work(), expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
