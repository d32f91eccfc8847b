import { QuartetError } from "../error/quartet-error.ts";
import type { CommandMode } from "../schema/method.ts";
import type { CommandCall } from "./command-call.ts";
import { keyReused } from "./key-reused.ts";
import { inFlight } from "./operation-writer.ts";

/** What a run of a command came to. */
type Settled = { readonly value: unknown } | { readonly error: unknown };

interface Run {
  readonly fingerprint: string;
  /** Never rejects. */
  readonly settled: Promise<Settled>;
}

/** What {@link RunningCommands.join} gives. */
export interface Joined<T> {
  readonly value: T;
  /** An earlier request with the same key ran it. */
  readonly attached: boolean;
}

/**
 * The commands with idempotency keys that run in this process. A request whose key is being run attaches to that run
 * instead of beginning one: it reads nothing, decides nothing and holds no connection. What other processes run is told by
 * the database alone.
 */
export class RunningCommands {
  readonly #runs = new Map<string, Run>();

  /**
   * Runs a command, or waits for the request with the same key that runs it, until the call's own deadline. What that one
   * gets counts for both, unless it fails in a way that another try may mend, or its client went: then the next one in
   * line runs it anew.
   *
   * @param mode only runs of one mode are the same: an acceptance is no answer
   * @throws QuartetError `key_reused` when another request with this key runs, `in_flight` when the time is over first.
   */
  async join<T>(mode: CommandMode, call: CommandCall, run: () => Promise<T>): Promise<Joined<T>> {
    const name = `${mode} ${call.operationId}`;
    for (;;) {
      const other = this.#runs.get(name);
      if (other === undefined) return { value: await this.#lead(name, call, run), attached: false };
      if (other.fingerprint !== call.fingerprint) throw keyReused();
      const settled = await untilDeadline(other.settled, call);
      if (settled === undefined) throw inFlight();
      // The same mode, and so the same kind of outcome.
      if ("value" in settled) return { value: settled.value as T, attached: true };
      if (isFinal(settled.error)) throw settled.error;
    }
  }

  async #lead<T>(name: string, call: CommandCall, run: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<Settled>();
    this.#runs.set(name, { fingerprint: call.fingerprint, settled: promise });
    try {
      const value = await run();
      resolve({ value });
      return value;
    } catch (error) {
      resolve({ error });
      throw error;
    } finally {
      this.#runs.delete(name);
    }
  }
}

/** A refusal that the very same request would get again. That one client went is nothing to the others. */
function isFinal(error: unknown): boolean {
  return error instanceof QuartetError && !error.retry && error.code !== "canceled";
}

async function untilDeadline<T>(
  promise: Promise<T>,
  { deadlineMs, signal }: CommandCall,
): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const giveUp = () => resolve(undefined);
  const timer = setTimeout(giveUp, Math.max(0, deadlineMs - Date.now()));
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}
