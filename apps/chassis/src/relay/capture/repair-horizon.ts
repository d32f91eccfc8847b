import type pg from "pg";
import type { CaptureState, EventLog } from "../log/event-log.ts";

/** How far below the anchor the table is read nevertheless: transactions commit in another order than they publish. */
const marginRows = 10_000n;
const pageEvents = 1_000;
/** Pages after which the search for an anchor ends: it is near the floor, or the outbox is another one. */
const maxPages = 50;

/**
 * The least `place` of the outbox that a repair has to look at. Undefined: all of it.
 *
 * A log that has dropped segments no longer knows their ids, and an outbox may hold events for longer: to append those
 * again would deliver them again, perhaps to inboxes that have forgotten them too. An outbox is captured in commit order,
 * so everything that committed before the oldest event that the log keeps of it (the anchor) was captured as well. What
 * was published long before the anchor is therefore left out. Missed is only an event that was published more than
 * 10,000 rows before the anchor by a transaction that stayed open beyond everything that the log keeps.
 *
 * Where nothing of the log is in the table, which a database restored from an old backup shows, nothing is known: all is
 * read, and duplicates are what the inboxes are for.
 */
export async function findRepairHorizon(
  client: pg.Client,
  log: EventLog,
  source: string,
  state: CaptureState,
): Promise<bigint | undefined> {
  const floor = await log.readFloor();
  if (floor === 0n) return undefined;
  const anchor = await findAnchor(client, log, source, floor);
  const place =
    anchor ?? (state.lastEventId === undefined ? undefined : await leastPlace(client, [state.lastEventId]));
  return place === undefined ? undefined : place - marginRows;
}

async function findAnchor(
  client: pg.Client,
  log: EventLog,
  source: string,
  floor: bigint,
): Promise<bigint | undefined> {
  let after = floor;
  for (let page = 0; page < maxPages; page++) {
    const { events, scannedTo } = await log.read({ after, types: [], typePrefixes: [], limit: pageEvents });
    const ids = events.filter((event) => event.source === source).map((event) => event.eventId);
    const place = ids.length === 0 ? undefined : await leastPlace(client, ids);
    if (place !== undefined || scannedTo <= after) return place;
    after = scannedTo;
  }
  return undefined;
}

/** Delayed events are in the log long after they were published: their place tells nothing. */
async function leastPlace(client: pg.Client, ids: readonly string[]): Promise<bigint | undefined> {
  const result = await client.query<{ place: string | null }>(
    "select min(place)::text as place from quartet.outbox where id = any($1::uuid[]) and deliver_after is null",
    [ids],
  );
  const place = result.rows[0]?.place ?? null;
  return place === null ? undefined : BigInt(place);
}
