import type { SqlClient } from "../../sql/sql-client.ts";
import type { CapturedEvent } from "./log-event.ts";

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/**
 * Gives events of a dedicated events database, which have no position of their own, that of their cause: whoever reacts
 * to them reads at least what their cause had written, over any number of hops. A cause is in the log before anybody
 * reacts to it; of one that retention has dropped, replicas have long replayed all. One query for a batch that has such
 * events, else none.
 */
export async function inheritPositions(
  client: SqlClient,
  events: readonly CapturedEvent[],
): Promise<readonly CapturedEvent[]> {
  const causes = new Set(events.flatMap((event) => causeOf(event) ?? []));
  if (causes.size === 0) return events;
  const found = await client.query<{ event_id: string; position: string }>({
    name: "positions of causes",
    text: "select event_id, position from quartet.event_log where event_id = any($1::uuid[]) and position is not null",
    values: [[...causes]],
  });
  const positions = new Map(found.rows.map((row) => [row.event_id, row.position]));
  return events.map((event) => {
    const position = positions.get(causeOf(event) ?? "");
    return position === undefined ? event : { ...event, position };
  });
}

/** The cause whose position an event takes over. */
function causeOf({ position, causationId }: CapturedEvent): string | undefined {
  if (position !== undefined || causationId === undefined || !uuid.test(causationId)) return undefined;
  return causationId.toLowerCase();
}
