/** One event on its way into an outbox. Column names are Debezium's; see `outbox-ddl.ts`. */
export interface OutboxEvent {
  /** UUIDv7-shaped; the same event published twice has the same id. */
  readonly id: string;
  readonly aggregateType: string;
  /** Orders the event: events of one key are delivered in commit order. */
  readonly aggregateId: string;
  /** Full name of the event's message. */
  readonly type: string;
  /** The message as canonical ProtoJSON text. */
  readonly payload: string;
  readonly causationId: string | undefined;
  readonly correlationId: string | undefined;
  readonly traceparent: string | undefined;
  /** It gets its place in the log when this time has come. */
  readonly deliverAfter?: Date | undefined;
}
