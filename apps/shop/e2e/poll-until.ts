import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks again and again until `check` gives something else than undefined or false, and returns that. What it throws
 * counts as "not yet".
 *
 * @throws Error naming `what` and the last fault when it does not come within `limitMs`.
 */
export async function pollUntil<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 15_000,
  everyMs = 25,
): Promise<T> {
  const untilMs = Date.now() + limitMs;
  let fault: unknown;
  do {
    try {
      const found = await check();
      if (found !== undefined && found !== false) return found;
      fault = undefined;
    } catch (error) {
      fault = error;
    }
    await delay(everyMs);
  } while (Date.now() < untilMs);
  throw new Error(`not within ${limitMs} ms: ${what}`, { cause: fault });
}
