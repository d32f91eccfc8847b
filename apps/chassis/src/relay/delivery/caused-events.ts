import type { SqlClient } from "../../sql/sql-client.ts";
import type { LogEvent } from "../log/log-event.ts";
import { type LogRow, toLogEvent } from "../log/log-row.ts";

/** Events that a command has caused. */
export interface CausedEvents {
  /** In the order of the log, without their payloads. */
  readonly events: readonly LogEvent[];
  /** More were published in that millisecond than are looked at: some may be missing. */
  readonly truncated: boolean;
}

/** What a second of 5 million events has in a millisecond. */
const mostLookedAt = 5_000;

/**
 * The events of the log that an operation has caused, directly or through others.
 *
 * Without a scan, and without an index of their own: the ids of all of them, derived ones included, begin with the time
 * of their first cause (event-id.ts), which is when the command was accepted. So they are among the events of that one
 * millisecond, which the index on ids has side by side; of these, the ones that name the operation, and those that these
 * have caused.
 */
export async function readCausedEvents(
  client: SqlClient,
  operationId: string,
  acceptTimeMs: number,
): Promise<CausedEvents> {
  const { rows } = await client.query<LogRow>({
    name: "read events of a millisecond",
    text: `select seq, epoch, source, event_id, type, key, '' as payload, causationid, correlationid, traceparent,
  committed_at, position
from quartet.event_log where event_id >= $1::uuid and event_id < $2::uuid
order by event_id limit ${mostLookedAt + 1}`,
    values: [firstIdOf(acceptTimeMs), firstIdOf(acceptTimeMs + 1)],
  });
  const events = rows.slice(0, mostLookedAt).map(toLogEvent);
  events.sort((one, other) => (one.seq < other.seq ? -1 : 1));
  return { events: keepCaused(events, operationId), truncated: rows.length > mostLookedAt };
}

/** An effect may stand before its cause, where one of two outboxes was repaired: so until nothing more is found. */
function keepCaused(events: readonly LogEvent[], operationId: string): readonly LogEvent[] {
  const caused = new Set(events.filter((event) => event.correlationId === operationId).map(idOf));
  for (let before = -1; before < caused.size; ) {
    before = caused.size;
    for (const event of events) {
      if (event.causationId !== undefined && caused.has(event.causationId)) caused.add(event.eventId);
    }
  }
  return events.filter((event) => caused.has(event.eventId));
}

function idOf({ eventId }: LogEvent): string {
  return eventId;
}

/** The least UUID whose first 48 bits are a time. */
function firstIdOf(timeMs: number): string {
  const time = timeMs.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}
