/** Where tests hold a capture up, or let it fail. Nothing is there otherwise. */
export interface CaptureStopPoints {
  /** A repair was noted, and the slot is there. */
  readonly slotMade?: () => Promise<void>;
  /** A page of the outbox table is in the log. */
  readonly pageRepaired?: () => Promise<void>;
  /** All of the table is in the log; that the repair is done is not noted yet. */
  readonly tableRepaired?: () => Promise<void>;
  /** The stream is open. */
  readonly streaming?: () => Promise<void>;
  /** Events were received and are about to be appended. */
  readonly received?: () => Promise<void>;
  /** Events are in the log and not acknowledged to the slot. */
  readonly appended?: () => Promise<void>;
}
