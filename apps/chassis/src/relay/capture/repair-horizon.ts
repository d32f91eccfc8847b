import type pg from "pg";
import { timeOfEventId } from "../../outbox/event-id.ts";
import type { CaptureState, EventLog } from "../log/event-log.ts";

/** How far below the anchor the table is read where the log holds little: transactions commit in another order than they publish. */
const marginRows = 10_000n;
/** No transaction that publishes is open for so long. */
const longestTransactionMs = 60 * 60 * 1_000;
const pageEvents = 1_000;
/** Pages after which the search for an anchor ends: it is near the floor, or the outbox is another one. */
const maxPages = 50;

/**
 * The least `place` of the outbox that a repair has to look at. Undefined: all of it.
 *
 * A log that has dropped segments no longer knows their ids, and an outbox may hold events for longer: to append those
 * again would deliver them again, perhaps to inboxes that have forgotten them too. An outbox is captured in commit order,
 * so everything that committed before an event that the log has of it (the anchor) was captured as well.
 *
 * The anchor is near the beginning of what the log keeps, an hour at least before the last event that was captured: what
 * was published before it is left out. Missed is only an event of a transaction that stayed open for all that time.
 * Where the log keeps less than an hour, it is read from 10,000 rows below the oldest event: missed is what was published
 * before that by a transaction that stayed open beyond everything that the log keeps, and some events that the log has
 * dropped may come again.
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
  const kept = await findKept(client, log, source, floor);
  const last = state.lastEventId;
  const settled = last === undefined ? [] : kept.filter((event) => isLongBefore(event, last));
  const anchor = settled.at(-1); // both are by place
  if (anchor !== undefined) return anchor.place;
  const [first] = kept.length > 0 || last === undefined ? kept : await readPlaces(client, [last]);
  return first && first.place - marginRows;
}

/** An event that is in the log and in the table. */
interface KeptEvent {
  readonly id: string;
  readonly place: bigint;
  readonly committedAt: Date | undefined;
}

/** The oldest events that the log keeps of a source and the table has: a page of them, by place. */
async function findKept(
  client: pg.Client,
  log: EventLog,
  source: string,
  floor: bigint,
): Promise<readonly KeptEvent[]> {
  let after = floor;
  for (let page = 0; page < maxPages; page++) {
    const { events, scannedTo } = await log.read({ after, types: [], typePrefixes: [], limit: pageEvents });
    const times = new Map<string, Date>();
    for (const event of events) if (event.source === source) times.set(event.eventId, event.committedAt);
    const kept = await readPlaces(client, [...times.keys()]);
    if (kept.length > 0) return kept.map((event) => ({ ...event, committedAt: times.get(event.id) }));
    if (scannedTo <= after) return [];
    after = scannedTo;
  }
  return [];
}

/** By place. Delayed events are in the log long after they were published: their place tells nothing. */
async function readPlaces(client: pg.Client, ids: readonly string[]): Promise<readonly KeptEvent[]> {
  if (ids.length === 0) return [];
  const result = await client.query<{ id: string; place: string }>(
    `select id::text, place::text from quartet.outbox
where id = any($1::uuid[]) and deliver_after is null order by outbox.place`,
    [ids],
  );
  return result.rows.map(({ id, place }) => ({ id, place: BigInt(place), committedAt: undefined }));
}

/** An event was published at the time in its id or later; an id that names a time to come is not one of ours. */
function isLongBefore({ committedAt }: KeptEvent, lastEventId: string): boolean {
  const lastMs = timeOfEventId(lastEventId);
  if (committedAt === undefined || lastMs > Date.now()) return false;
  return committedAt.getTime() + longestTransactionMs < lastMs;
}
