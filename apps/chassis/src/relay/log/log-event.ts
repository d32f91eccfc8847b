/** One event as the log has it. */
export interface LogEvent {
  /** Dense, in commit order. */
  readonly seq: bigint;
  /** Which outbox it comes from: `main` or `events`. */
  readonly source: string;
  readonly eventId: string;
  readonly type: string;
  /** Events of one key are delivered in order. */
  readonly key: string;
  /** ProtoJSON text. */
  readonly payload: string;
  readonly causationId: string | undefined;
  readonly correlationId: string | undefined;
  readonly traceparent: string | undefined;
  readonly committedAt: Date;
  /** Of the commit in the main database; undefined for events of a dedicated events database. */
  readonly position: string | undefined;
}

/** An event that a capture hands to the log. */
export type CapturedEvent = Omit<LogEvent, "seq">;
