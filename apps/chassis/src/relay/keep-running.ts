import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { QuartetError } from "../error/quartet-error.ts";

const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** Work that ran for so long has left its fault behind. */
const soundMs = 10_000;

/**
 * Runs a part of the relay until it ends or the signal aborts. When it throws, it is run again after a pause that grows
 * from 100 ms to 5 s; it never throws to others. One that has lost its lease has ended.
 */
export async function keepRunning(
  part: string,
  logger: Logger,
  signal: AbortSignal,
  run: () => Promise<void>,
): Promise<void> {
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    const startMs = performance.now();
    try {
      return await run();
    } catch (error) {
      if (signal.aborted || isLeaseLost(error)) return;
      if (performance.now() - startMs > soundMs) pauseMs = firstPauseMs;
      logger.error({ part, err: error, pauseMs }, "a part of the relay failed; it starts again");
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(longestPauseMs, pauseMs * 2);
  }
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof QuartetError && error.code === "lease_lost";
}
