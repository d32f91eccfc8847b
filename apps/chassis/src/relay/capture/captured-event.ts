import type { CapturedEvent } from "../log/log-event.ts";

/** A row of an outbox as Postgres prints its values, from the WAL or from the table. */
export type OutboxRow = Readonly<Record<string, string | null>>;

/** What a row does not tell. */
export interface RowOrigin {
  readonly source: CapturedEvent["source"];
  readonly committedAt: Date;
  readonly position: string | undefined;
}

/** The outbox, by its own name or that of a partition. */
const outboxRelation = /^quartet\.outbox(_default|_\d{4}_\d{2})?$/;

/** Whether rows of a table are events: somebody may have added others to the publication. */
export function isOutbox(relation: string): boolean {
  return outboxRelation.test(relation);
}

/** The event of a row. */
export function toCapturedEvent(row: OutboxRow, origin: RowOrigin): CapturedEvent {
  return {
    source: origin.source,
    eventId: row["id"] ?? "",
    type: row["type"] ?? "",
    key: row["aggregateid"] ?? "",
    payload: row["payload"] ?? "null",
    causationId: row["causationid"] ?? undefined,
    correlationId: row["correlationid"] ?? undefined,
    traceparent: row["traceparent"] ?? undefined,
    committedAt: origin.committedAt,
    position: origin.position,
    deliverAfter: parseTimestamp(row["deliver_after"] ?? null),
  };
}

/** The last time that a Date can be. */
const farFuture = 8.64e15;

/**
 * A `timestamptz` as Postgres prints it in UTC with ISO dates. `-infinity` and years before Christ are no time to wait
 * for; what is beyond the years that a Date reads is never.
 */
export function parseTimestamp(text: string | null): Date | undefined {
  if (text === null || text.startsWith("-") || text.endsWith("BC")) return undefined;
  const time = Date.parse(text.replace(" ", "T").replace(/\+00$/, "Z"));
  return new Date(Number.isNaN(time) ? farFuture : time);
}
