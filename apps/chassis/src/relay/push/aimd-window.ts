/** What a push is begun under: pushes of one round trip share it. */
export type WindowTicket = number;

const firstSize = 8;

/**
 * How many pushes may be under way at an endpoint (slow start, additive increase, multiplicative decrease: RFC 5681, section
 * 3.1). Until the endpoint is overloaded for the first time it grows by one for each success, and so doubles with each
 * round trip; from then on by one for each window of successes. It is halved when the endpoint is overloaded. Pure.
 *
 * Pushes that were under way together are overloaded together: of those that began before a decrease, none decreases
 * again. Between 1 and the subscription's concurrency.
 */
export class AimdWindow {
  readonly #max: number;
  #size: number;
  #successes = 0;
  #decreases: WindowTicket = 0;

  /**
   * @param concurrency at most so many, from 1
   * @param first so many at first: all, where what one push tells says nothing of the next
   */
  constructor(concurrency: number, first: number = firstSize) {
    this.#max = Math.max(1, concurrency);
    this.#size = Math.min(first, this.#max);
  }

  get size(): number {
    return this.#size;
  }

  /** A push begins. Hand the ticket back with what became of it. */
  begin(): WindowTicket {
    return this.#decreases;
  }

  /** The endpoint took the push in hand, whatever it said of the event. */
  succeeded(): void {
    if (this.#size >= this.#max) return;
    this.#successes += 1;
    const isSlowStart = this.#decreases === 0;
    if (!isSlowStart && this.#successes < this.#size) return;
    this.#successes = 0;
    this.#size += 1;
  }

  /** 429, 502, 503, no answer in time, or a connection that failed. */
  overloaded(ticket: WindowTicket): void {
    this.#successes = 0;
    if (ticket !== this.#decreases) return;
    this.#decreases += 1;
    this.#size = Math.max(1, Math.floor(this.#size / 2));
  }
}
