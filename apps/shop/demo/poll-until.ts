import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks again and again until there is an answer.
 *
 * @throws Error naming what was waited for after `limitMs`; the signal's reason when it aborts.
 */
export async function pollUntil<T>(
  what: string,
  limitMs: number,
  signal: AbortSignal,
  ask: () => Promise<T | undefined>,
  pauseMs = 100,
): Promise<T> {
  const untilMs = Date.now() + limitMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() >= untilMs) throw new Error(`Waited ${limitMs / 1000} s in vain: ${what}.`);
    await delay(pauseMs, undefined, { signal });
  }
}
