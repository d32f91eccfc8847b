import { QuartetError } from "../error/quartet-error.ts";

/** What the work may take past its deadline to end by itself, with an answer that says more than ours. */
const graceMs = 1_000;

/**
 * Waits for `work` no longer than its deadline allows: a handler that never ends does not keep its caller. The work
 * itself has the signal to stop by.
 *
 * @throws QuartetError `deadline_exceeded`
 */
export async function withinDeadline<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => expired.reject(new QuartetError("deadline_exceeded", "The handler did not answer in time.")),
    Math.max(0, deadlineMs - Date.now()) + graceMs,
  );
  try {
    return await Promise.race([work, expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
