/** The time that an apply may spend, over all its steps, on waiting for locks. */
export class LockBudget {
  readonly totalMs: number;
  #spentMs = 0;

  constructor(totalMs: number) {
    this.totalMs = totalMs;
  }

  get leftMs(): number {
    return Math.max(0, this.totalMs - this.#spentMs);
  }

  spend(ms: number): void {
    this.#spentMs += ms;
  }
}
