import { QuartetError } from "../../error/quartet-error.ts";
import type { PostmasterProcess } from "./postmaster-process.ts";

/**
 * Fast shutdown; then immediate shutdown, which loses nothing that was committed and costs a recovery at the next
 * start; then kill. A fast shutdown of a primary waits for consumers of logical replication to confirm everything, so
 * one that hangs must not hold it up for ever.
 */
const escalation = [
  ["SIGINT", 10_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 2_000],
] as const;

/** @throws QuartetError `internal` when the process does not end at all. */
export async function stopPostmaster(postmaster: PostmasterProcess): Promise<void> {
  for (const [signal, timeoutMs] of escalation) {
    postmaster.kill(signal);
    if (await endsWithin(postmaster.exited, timeoutMs)) return;
  }
  throw new QuartetError("internal", `The postmaster ${postmaster.pid} does not stop.`, {
    fix: `kill -9 ${postmaster.pid}`,
  });
}

async function endsWithin(exited: Promise<void>, timeoutMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, timeoutMs, false);
  void exited.then(() => resolve(true));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
