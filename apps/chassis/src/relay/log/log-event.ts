/** One event as the log has it. */
export interface LogEvent {
  /** Dense, in commit order. */
  readonly seq: bigint;
  /** Of the log: grows when a restored backup has taken sequences back, so that (epoch, seq) names one event for ever. */
  readonly epoch: number;
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
  /** Of the commit in the main database; of an event of a dedicated events database, that of its cause, if it has one. */
  readonly position: string | undefined;
}

/** An event that a capture hands to the log. */
export interface CapturedEvent extends Omit<LogEvent, "seq" | "epoch"> {
  /** It gets its place in the log when this time has come. */
  readonly deliverAfter: Date | undefined;
}
