import type { CapturedEvent, LogEvent } from "./log-event.ts";

/** A row of `event_log`, as a pool of the platform reads it. */
export interface LogRow {
  readonly seq: bigint;
  readonly epoch: number;
  readonly source: string;
  readonly event_id: string;
  readonly type: string;
  readonly key: string;
  readonly payload: string;
  readonly causationid: string | null;
  readonly correlationid: string | null;
  readonly traceparent: string | null;
  readonly committed_at: Date;
  readonly position: string | null;
}

export const logColumns =
  "seq, epoch, source, event_id, type, key, payload, causationid, correlationid, traceparent, committed_at, position";

export function toLogEvent(row: LogRow): LogEvent {
  return {
    seq: row.seq,
    epoch: row.epoch,
    source: row.source,
    eventId: row.event_id,
    type: row.type,
    key: row.key,
    payload: row.payload,
    causationId: row.causationid ?? undefined,
    correlationId: row.correlationid ?? undefined,
    traceparent: row.traceparent ?? undefined,
    committedAt: row.committed_at,
    position: row.position ?? undefined,
  };
}

/** A captured event that has its place. */
export function placeEvent(event: CapturedEvent, seq: bigint, epoch: number): LogEvent {
  return {
    seq,
    epoch,
    source: event.source,
    eventId: event.eventId,
    type: event.type,
    key: event.key,
    payload: event.payload,
    causationId: event.causationId,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    committedAt: event.committedAt,
    position: event.position,
  };
}
