import { setTimeout as sleep } from "node:timers/promises";
import { QuartetError } from "../../error/quartet-error.ts";

/**
 * Waits `ms` milliseconds.
 *
 * @throws QuartetError `canceled` as soon as the signal aborts.
 */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  throwIfCanceled(signal);
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw new QuartetError("canceled", "The wait was canceled.", { cause });
  }
}

/** @throws QuartetError `canceled` when the signal has aborted. */
export function throwIfCanceled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new QuartetError("canceled", "The start of the local PostgreSQL was canceled.", {
    cause: signal.reason,
  });
}
