import type { Pool, PoolClient } from "pg";
import { runTransaction } from "../../pbtable/run-transaction.ts";
import type { SqlClient } from "../../pbtable/sql-client.ts";
import type { EventLog, LogPage, LogQuery } from "./event-log.ts";
import type { CapturedEvent, LogEvent } from "./log-event.ts";

/** The log in tables of the events database (see `log-ddl.ts`). */
export function createPostgresLog(pool: Pool): EventLog {
  return new PostgresLog(pool);
}

class PostgresLog implements EventLog {
  readonly #pool: Pool;
  readonly #listeners = new Set<() => void>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async append(events: readonly CapturedEvent[]): Promise<void> {
    if (events.length === 0) return;
    await runTransaction(this.#pool, (client) => appendInside(client, events));
    for (const listener of this.#listeners) listener();
  }

  async needsRepair(source: string, systemId: string): Promise<boolean> {
    const result = await this.#pool.query<{ repaired: boolean }>(
      "select repaired from quartet.capture where source = $1 and system_id = $2",
      [source, systemId],
    );
    return result.rows[0]?.repaired !== true;
  }

  async beginRepair(source: string): Promise<void> {
    await this.#pool.query("update quartet.capture set repaired = false where source = $1", [source]);
  }

  async endRepair(source: string, systemId: string): Promise<void> {
    await this.#pool.query(
      `insert into quartet.capture (source, system_id, repaired) values ($1, $2, true)
on conflict (source) do update set system_id = excluded.system_id, repaired = true`,
      [source, systemId],
    );
  }

  readKnown(eventIds: readonly string[]): Promise<ReadonlySet<string>> {
    return readKnownIds(this.#pool, eventIds);
  }

  async read(query: LogQuery): Promise<LogPage> {
    const head = await this.readHead();
    if (head <= query.after) return { events: [], scannedTo: query.after };
    const result = await this.#pool.query<LogRow>({
      name: "read log",
      text: readSql,
      values: [query.after, head, query.types, query.limit],
    });
    const events = result.rows.map(toLogEvent);
    const last = events.at(-1);
    return { events, scannedTo: events.length === query.limit && last !== undefined ? last.seq : head };
  }

  async readHead(): Promise<bigint> {
    const result = await this.#pool.query<{ seq: bigint }>({
      name: "read log head",
      text: "select seq from quartet.log_head",
    });
    return result.rows[0]?.seq ?? 0n;
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

interface LogRow {
  readonly seq: bigint;
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

const columns =
  "seq, source, event_id, type, key, payload::text as payload, causationid, correlationid, traceparent, committed_at, position";

const readSql = `select ${columns} from quartet.log
where seq > $1 and seq <= $2 and (cardinality($3::text[]) = 0 or type = any($3::text[])) order by seq limit $4`;

/** Events of the log by sequence, in order. */
export async function readLogEvents(client: SqlClient, seqs: readonly bigint[]): Promise<LogEvent[]> {
  const result = await client.query<LogRow>({
    name: "read log events",
    text: `select ${columns} from quartet.log where seq = any($1::bigint[]) order by seq`,
    values: [seqs],
  });
  return result.rows.map(toLogEvent);
}

function toLogEvent(row: LogRow): LogEvent {
  return {
    seq: row.seq,
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

/** The head's row lock is held until COMMIT, so that sequences become visible in order and without a gap. */
async function appendInside(client: PoolClient, events: readonly CapturedEvent[]): Promise<void> {
  const head = await client.query<{ seq: bigint }>("select seq from quartet.log_head for update");
  const known = await readKnownIds(
    client,
    events.map((event) => event.eventId),
  );
  const fresh = distinctById(events.filter((event) => !known.has(event.eventId)));
  if (fresh.length > 0) await insertEvents(client, fresh, head.rows[0]?.seq ?? 0n);
}

function distinctById(events: readonly CapturedEvent[]): CapturedEvent[] {
  return [...new Map(events.map((event) => [event.eventId, event])).values()];
}

async function insertEvents(
  client: PoolClient,
  events: readonly CapturedEvent[],
  head: bigint,
): Promise<void> {
  await client.query({
    name: "append log",
    text: `insert into quartet.log
  (seq, source, event_id, type, key, payload, causationid, correlationid, traceparent, committed_at, position)
select $1::bigint + place, source, event_id, type, key, payload, causationid, correlationid, traceparent,
  committed_at, position
from unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::text[], $9::text[],
  $10::timestamptz[], $11::text[]) with ordinality
  as e (source, event_id, type, key, payload, causationid, correlationid, traceparent, committed_at, position, place)`,
    values: [
      head,
      events.map((event) => event.source),
      events.map((event) => event.eventId),
      events.map((event) => event.type),
      events.map((event) => event.key),
      events.map((event) => event.payload),
      events.map((event) => event.causationId ?? null),
      events.map((event) => event.correlationId ?? null),
      events.map((event) => event.traceparent ?? null),
      events.map((event) => event.committedAt.toISOString()),
      events.map((event) => event.position ?? null),
    ],
  });
  await client.query("update quartet.log_head set seq = $1", [head + BigInt(events.length)]);
}

async function readKnownIds(client: SqlClient, eventIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (eventIds.length === 0) return new Set();
  const result = await client.query<{ event_id: string }>({
    name: "read known events",
    text: "select event_id from quartet.log where event_id = any($1::uuid[])",
    values: [eventIds],
  });
  return new Set(result.rows.map((row) => row.event_id));
}
