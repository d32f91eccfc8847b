import type { EventLog } from "../log/event-log.ts";

/** Events that are given their place at once. */
const releaseLimit = 500;
/** Longest time without a look: what another process delays is told, but telling may fail. */
const longestPauseMs = 1_000;
/** Fewer looks than appends: none sooner than this after the one before. */
const shortestPauseMs = 40;

/** Gives delayed events their place in the log, within some 50 ms of when they are due, until the signal aborts. */
export async function releaseDelayed(log: EventLog, signal: AbortSignal): Promise<void> {
  let appended: () => void = () => undefined;
  const stopListening = log.onAppend(() => appended());
  try {
    while (!signal.aborted) {
      const append = new Promise<void>((resolve) => {
        appended = resolve;
      });
      const { released, nextDue } = await log.releaseDue(releaseLimit);
      if (released === releaseLimit) continue;
      await pause(shortestPauseMs, undefined, signal);
      const dueInMs = nextDue === undefined ? longestPauseMs : nextDue.getTime() - Date.now();
      await pause(Math.min(longestPauseMs, dueInMs), append, signal);
    }
  } finally {
    stopListening();
  }
}

/** Ends after the time, with the event if one is given, or with the signal. */
async function pause(ms: number, event: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
    event?.then(end);
  });
}
