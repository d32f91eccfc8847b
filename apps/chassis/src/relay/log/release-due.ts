import type { SqlClient } from "../../sql/sql-client.ts";

/** What a release did. */
export interface Release {
  readonly released: number;
  /** Of this process' clock. */
  readonly nextDue: Date | undefined;
  /** The head of the log after; undefined when nothing was released. */
  readonly head: bigint | undefined;
}

/** See `EventLog.releaseDue`. Looks first, without any lock. */
export async function releaseDue(client: SqlClient, limit: number): Promise<Release> {
  const before = await readNextDue(client);
  if (before === undefined || before.getTime() > Date.now()) {
    return { released: 0, nextDue: before, head: undefined };
  }
  const result = await client.query<{ released: number; head: bigint }>({
    name: "release due events",
    text: releaseSql,
    values: [limit],
  });
  const [row] = result.rows;
  return { released: row?.released ?? 0, nextDue: await readNextDue(client), head: row?.head };
}

/** By the database's clock when, told by ours. */
async function readNextDue(client: SqlClient): Promise<Date | undefined> {
  const result = await client.query<{ milliseconds: number }>({
    name: "read next due event",
    text: `select (extract(epoch from due_at - clock_timestamp()) * 1000)::float8 as milliseconds
from quartet.event_log_delayed order by due_at, place limit 1`,
  });
  const [row] = result.rows;
  return row === undefined
    ? undefined
    : new Date(Math.min(farFutureMs, Date.now() + Math.ceil(row.milliseconds)));
}

/** The last time that a Date can be. */
const farFutureMs = 8.64e15;

const columns =
  "source, event_id, type, key, payload, causationid, correlationid, traceparent, committed_at, position";

/**
 * The head's row is locked before any event is chosen: of two releases at once the second chooses what the first has left,
 * and events get their places in the order in which they are due. What the first has deleted is not there for an update.
 */
const releaseSql = `with lock as materialized (
  select from quartet.event_log_head where one for update
), chosen as materialized (
  select event_id from quartet.event_log_delayed where exists (select from lock) and due_at <= now()
  order by due_at, place limit $1 for update
), due as (
  delete from quartet.event_log_delayed using chosen where event_log_delayed.event_id = chosen.event_id
  returning event_log_delayed.*
), ranked as materialized (
  select *, row_number() over (order by due_at, place) as rank from due
), head as (
  update quartet.event_log_head set seq = seq + (select count(*) from ranked) where one returning seq, epoch, segment
), added as (
  insert into quartet.event_log (segment, seq, epoch, ${columns})
  select segment, seq - (select count(*) from ranked) + rank, epoch, ${columns} from head, ranked
)
select (select count(*)::int from ranked) as released, seq as head from head`;
