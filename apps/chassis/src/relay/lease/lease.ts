/** The right to act for one thing, such as the capture of an outbox, that one relay process has at a time. */
export interface Lease {
  /** Such as `capture/main`, `subscription/reaction/shop.notifier`, `housekeeping`. */
  readonly name: string;
  /**
   * Grows with each new holder. Whatever is stored under a lease is stored with its epoch and refused where a greater
   * one is known, so that a former holder that does not know it yet changes nothing.
   */
  readonly epoch: bigint;
  /**
   * Aborts when the lease is to be given back, and when it could not be renewed in time: by this process' own clock,
   * before anybody else can have it. Nothing outside the database (a push) may begin after that.
   */
  readonly signal: AbortSignal;
}
