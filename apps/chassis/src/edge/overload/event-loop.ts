import { type EventLoopUtilization, monitorEventLoopDelay, performance } from "node:perf_hooks";

const resolutionMs = 20;

/** How busy the event loop was since it was looked at last. */
export interface LoopLoad {
  /** How long what is due waits for its turn, on average. */
  readonly delayMs: number;
  /** Share of the time it was busy, 0 to 1. */
  readonly utilization: number;
}

/** Watches this thread's event loop. Needs no disposal: its timer keeps nothing alive. */
export function watchEventLoop(): () => LoopLoad {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  let before: EventLoopUtilization = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    // The samples hold the timer's own interval. Without one, nothing came to its turn since: the next look sees it.
    const delayMs = histogram.count === 0 ? 0 : Math.max(0, histogram.mean / 1e6 - resolutionMs);
    histogram.reset();
    return { delayMs, utilization };
  };
}
