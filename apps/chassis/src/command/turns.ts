import { QuartetError } from "../error/quartet-error.ts";

/** A turn that somebody has until it is disposed. */
export interface Turn extends Disposable {
  readonly name: string;
}

/**
 * One at a time per name, in the order of asking, within this process. It holds no connection and guarantees nothing to
 * other processes: those who would undo each other's work otherwise wait for each other here.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** @throws QuartetError `deadline_exceeded` when the signal aborts first. */
  async take(name: string, signal: AbortSignal): Promise<Turn> {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const before = this.#last.get(name) ?? Promise.resolve();
    const last = before.then(() => ended);
    this.#last.set(name, last);
    void last.then(() => {
      if (this.#last.get(name) === last) this.#last.delete(name);
    });
    try {
      await unlessAborted(before, signal);
    } catch (error) {
      end();
      throw error;
    }
    return { name, [Symbol.dispose]: end };
  }
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () =>
    reject(new QuartetError("deadline_exceeded", "Others changed the same rows for all of the time."));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
