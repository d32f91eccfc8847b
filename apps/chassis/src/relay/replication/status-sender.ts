import { performance } from "node:perf_hooks";

/** Shortest time between two statuses that only report progress. */
const coalesceMs = 50;

/**
 * When to report the acknowledged position: at once when it moves, at most every 50 ms; at once when the server asks;
 * and at an interval, whatever else happens, so that the server does not take a paused reader for a dead one.
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

  /** The position moved. */
  moved(): void {
    if (this.#stopped || this.#coalescing) return;
    const waitMs = this.#sentAt + coalesceMs - performance.now();
    if (waitMs <= 0) this.#now(false);
    else this.#coalescing = setTimeout(() => this.#now(false), waitMs);
  }

  /** The server asked for a status. */
  reply(): void {
    this.#now(false);
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
