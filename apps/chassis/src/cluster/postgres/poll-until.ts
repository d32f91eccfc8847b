import { pause } from "./pause.ts";

/** How often to look, and for how long. */
export interface PollOptions {
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks again and again until `check` finds something, and returns it; `undefined` when the time is over.
 *
 * @throws QuartetError `canceled` when the signal aborts; whatever `check` throws.
 */
export async function pollUntil<Found>(
  check: () => Promise<Found | undefined> | Found | undefined,
  options: PollOptions,
): Promise<Found | undefined> {
  const end = performance.now() + options.timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (performance.now() >= end) return undefined;
    await pause(options.intervalMs, options.signal);
  }
}
