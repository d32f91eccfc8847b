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
    // One by one: a plan that was made while the newest segment was small might read all of it for as long as it grows.
    text: `select found.* from unnest($1::uuid[]) as cause (id) cross join lateral (
  select event_id, position from quartet.event_log where event_id = cause.id and position is not null limit 1) as found`,
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
