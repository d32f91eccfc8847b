/** As shells tell of a process that SIGINT has ended. */
export const stoppedExitCode = 130;

/**
 * Runs `work` until it ends, a SIGINT or SIGTERM arrives, or the process that started this one is gone. A second
 * signal does not wait for a clean stop.
 */
export async function runUntilStopped(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(stoppedExitCode);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  // Started by a supervisor: its death must not leave this process behind.
  const orphaned = () => controller.abort();
  process.on("disconnect", orphaned);
  if (process.send !== undefined && !process.connected) orphaned();
  try {
    await work(controller.signal);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    process.off("disconnect", orphaned);
    if (process.connected) process.disconnect();
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
