import { QuartetError } from "../error/quartet-error.ts";
import { formatPosition, type Position } from "./position.ts";
import { judgePosition, type Standing, type Timelines } from "./timelines.ts";

interface Waiter {
  readonly position: Position;
  readonly sinceMs: number;
  readonly limitMs: number;
  /** Where the server was when it was first looked at for this one. */
  from: bigint | undefined;
  readonly resolve: (standing: Exclude<Standing, "behind">) => void;
  readonly reject: (error: QuartetError) => void;
}

/** After this share of its time, a wait is given up that would take longer than all of it at the replay's pace so far. */
const patience = 1 / 5;

/** Those who wait for a server to reach their positions. */
export class PositionWaiters {
  readonly #waiters = new Set<Waiter>();
  #server: Position | undefined;

  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Resolves when {@link settle} is told that the position is reached, or never will be.
   *
   * @throws QuartetError `stale` after `limitMs`, or when the signal aborts; earlier when the server is far behind.
   */
  async wait(position: Position, limitMs: number, signal: AbortSignal): Promise<Exclude<Standing, "behind">> {
    const { promise, resolve, reject } = Promise.withResolvers<Exclude<Standing, "behind">>();
    const waiter: Waiter = {
      ...{ position, limitMs, resolve, reject },
      sinceMs: performance.now(),
      from: undefined,
    };
    const giveUp = () => reject(this.#stale(`The replica did not reach the position within ${limitMs} ms.`));
    // A deadline that has passed leaves a negative time.
    const timer = setTimeout(giveUp, Math.max(0, limitMs));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    this.#waiters.add(waiter);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      this.#waiters.delete(waiter);
    }
  }

  /** Lets those go on for whom it is decided now that the server is where it is. */
  settle(server: Position, left: Timelines): void {
    this.#server = server;
    for (const waiter of this.#waiters) {
      const standing = judgePosition(waiter.position, server, left);
      if (standing !== "behind") waiter.resolve(standing);
      else if (isFar(waiter, server)) waiter.reject(this.#stale("The replica is far behind the position."));
    }
  }

  #stale(what: string): QuartetError {
    const at = this.#server;
    return new QuartetError("stale", what, {
      retryAfterSeconds: 1,
      ...(at === undefined ? {} : { position: formatPosition(at) }),
    });
  }
}

/** Whether, at its pace since the wait began, the replay will not be there in time. */
function isFar(waiter: Waiter, server: Position): boolean {
  waiter.from ??= server.lsn;
  const waitedMs = performance.now() - waiter.sinceMs;
  if (waitedMs < waiter.limitMs * patience) return false;
  const pace = Number(server.lsn - waiter.from) / waitedMs;
  const missing = Number(waiter.position.lsn - server.lsn);
  // A server that is past the location, on an older timeline, is on a way of its own.
  return missing <= 0 || missing > pace * (waiter.limitMs - waitedMs);
}
