/** Bounds of an {@link AdaptiveLimit}. */
export interface LimitBounds {
  readonly min: number;
  readonly initial: number;
  readonly max: number;
}

const decrease = 0.8;
const increase = 0.1;

/**
 * How much may be under way at once, found by additive increase and multiplicative decrease as TCP finds its window: a
 * tenth more while the limit is what holds work back and nothing is congested, a fifth less while something is.
 *
 * It stays as it is when few are under way: then congestion has another cause (a neighbour on the machine, one slow
 * statement), and less work would not mend it.
 */
export class AdaptiveLimit {
  readonly #bounds: LimitBounds;
  #value: number;

  constructor(bounds: LimitBounds) {
    this.#bounds = bounds;
    this.#value = bounds.initial;
  }

  get value(): number {
    return this.#value;
  }

  /** @param peak the most that was under way at once since the last time */
  observe(congested: boolean, peak: number): void {
    const { min, max } = this.#bounds;
    if (congested && peak * 2 >= this.#value) this.#value = Math.max(min, Math.floor(this.#value * decrease));
    else if (!congested && peak >= this.#value) {
      this.#value = Math.min(max, Math.ceil(this.#value * (1 + increase)));
    }
  }
}
