import { QuartetError } from "./quartet-error.ts";

/**
 * The time that is left until a deadline, in ms: more than 0. What nobody waits for any more is not begun.
 *
 * @param deadlineMs epoch
 * @throws QuartetError `deadline_exceeded` when it has passed.
 */
export function requireTime(deadlineMs: number): number {
  const leftMs = deadlineMs - Date.now();
  if (leftMs > 0) return leftMs;
  throw new QuartetError("deadline_exceeded", "The request's time was over before this work had begun.");
}
