/** How long what a relay keeps is kept. In seconds. */
export interface RetentionSettings {
  /** Events in the log that every subscription has passed. */
  readonly logKeepSeconds: number;
  /** Events in the log that a subscription has not passed: then it loses them, and is paused. */
  readonly logHoldSeconds: number;
  /** A segment of the log is what is dropped at once: so many events, or the events of so long. */
  readonly segmentEvents: number;
  readonly segmentSeconds: number;
  /** Months of an outbox, counted from their end, whose events are all in the log. */
  readonly outboxKeepSeconds: number;
  /** Effects in the inboxes. What the log still holds may be delivered again, so those of its time are kept in any case. */
  readonly inboxKeepSeconds: number;
  /**
   * Operations, and with them the answers of idempotency keys, counted from their ends: a day at least. A key's entry in an
   * inbox must not outlive its operation, so they are kept an hour longer than inboxes in any case.
   */
  readonly operationKeepSeconds: number;
  /**
   * Runs of sagas, counted from their ends: a day at least. What the log may still deliver of a run must find it, so they
   * are kept an hour longer than inboxes in any case.
   */
  readonly sagaKeepSeconds: number;
  /** The attempt log. */
  readonly attemptKeepSeconds: number;
}

const day = 86_400;

export const defaultRetention: RetentionSettings = {
  logKeepSeconds: 7 * day,
  logHoldSeconds: 30 * day,
  segmentEvents: 1_000_000,
  segmentSeconds: day,
  outboxKeepSeconds: 7 * day,
  inboxKeepSeconds: 8 * day,
  operationKeepSeconds: 7 * day,
  sagaKeepSeconds: 7 * day,
  attemptKeepSeconds: 7 * day,
};
