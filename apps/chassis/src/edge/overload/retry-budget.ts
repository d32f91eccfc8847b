/** Retries beyond what requests have earned, after a quiet time. */
const maxTokens = 10;
const earnedByRequest = 0.1;

/**
 * Retries may be a tenth of the requests, and a few more at first: when all of an upstream's answers fail, retries add
 * 10 % to its load instead of multiplying it, level by level of the call.
 */
export class RetryBudget {
  #tokens = maxTokens;

  get tokens(): number {
    return this.#tokens;
  }

  /** Notes a request, not a retry of one. */
  earn(): void {
    this.#tokens = Math.min(maxTokens, this.#tokens + earnedByRequest);
  }

  /** True when a retry may be sent. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
