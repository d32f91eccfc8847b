import { performance } from "node:perf_hooks";

/** Shortest time between two statuses. */
const coalesceMs = 50;

/**
 * When to report the acknowledged position: as soon as it moves or the server asks, at most every 50 ms; and at an
 * interval, whatever else happens, so that the server does not take a paused reader for a dead one.
 *
 * A server that shuts down asks again as soon as it is answered, until all it has sent is acknowledged: an answer at once,
 * with a position that waits for the consumer, would keep both busy with nothing else.
 */
export class StatusSender {
  readonly #send: (replyRequested: boolean) => void;
  readonly #interval: NodeJS.Timeout;
  #sentAt = Number.NEGATIVE_INFINITY;
  #coalescing: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `send` writes one status; with `replyRequested` it asks for a keepalive, the server's sign of life. */
  constructor(intervalMs: number, send: (replyRequested: boolean) => void) {
    this.#send = send;
    this.#interval = setInterval(() => this.#now(true), intervalMs);
  }

  /** The position moved, or the server asked. */
  soon(): void {
    if (this.#stopped || this.#coalescing) return;
    const waitMs = this.#sentAt + coalesceMs - performance.now();
    if (waitMs <= 0) this.#now(false);
    else this.#coalescing = setTimeout(() => this.#now(false), waitMs);
  }

  /** Clears the timers; nothing is sent any more. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#interval);
    clearTimeout(this.#coalescing);
  }

  #now(replyRequested: boolean): void {
    if (this.#stopped) return;
    clearTimeout(this.#coalescing);
    this.#coalescing = undefined;
    this.#sentAt = performance.now();
    this.#send(replyRequested);
  }
}
