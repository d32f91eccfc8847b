const weightOfNew = 0.3;

/** How many a second end, over the last half second or so. */
export class Pace {
  #ended = 0;
  #perSecond: number | undefined;

  get perSecond(): number | undefined {
    return this.#perSecond;
  }

  ended(): void {
    this.#ended += 1;
  }

  /** Takes a period into account. */
  observe(periodMs: number): void {
    const current = (this.#ended * 1000) / Math.max(1, periodMs);
    this.#ended = 0;
    this.#perSecond =
      this.#perSecond === undefined ? current : this.#perSecond * (1 - weightOfNew) + current * weightOfNew;
  }
}
