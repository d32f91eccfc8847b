import { Client } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { timeOfEventId } from "../../outbox/event-id.ts";
import { formatPosition, parseWalLocation } from "../../position/position.ts";
import type { EventLog } from "../log/event-log.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import type { TransactionStream } from "../replication/read-transactions.ts";
import type { OutboxSource } from "./run-capture.ts";

const pageRows = 1_000;

interface OutboxRow {
  readonly id: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: string;
  readonly causationid: string | null;
  readonly correlationid: string | null;
  readonly traceparent: string | null;
}

/**
 * Appends to the log whatever of an outbox table it lacks, in the order in which it was published. Call it once the
 * slot exists: what commits meanwhile comes by the slot as well, and the log drops what it knows.
 *
 * @returns how many events the log lacked.
 * @throws QuartetError `canceled` when the signal aborts before the end: then the repair is still due.
 */
export async function repairFromTable(
  source: OutboxSource,
  stream: TransactionStream,
  log: EventLog,
  signal: AbortSignal,
): Promise<number> {
  const client = new Client({ connectionString: source.url, application_name: "quartet relay repair" });
  client.on("error", () => undefined);
  try {
    await client.connect();
    // A cursor sorts once; whatever it shows was committed before the position that is taken after.
    await client.query("begin isolation level repeatable read read only");
    await client.query(`declare missing no scroll cursor for ${outboxSql}`);
    const position = source.name === "main" ? await readPosition(client, stream) : undefined;
    let count = 0;
    for (;;) {
      if (signal.aborted) throw new QuartetError("canceled", "The relay stopped while it repaired its log.");
      const page = await client.query<OutboxRow>(`fetch ${pageRows} from missing`);
      if (page.rows.length === 0) return count;
      count += await appendMissing(
        log,
        page.rows.map((row) => toEvent(source, row, position)),
      );
    }
  } finally {
    await client.end();
  }
}

/** Publishing order: an effect is published after its cause was committed, so its place is the greater one. */
const outboxSql = `select id, aggregateid, type, payload::text as payload, causationid, correlationid, traceparent
from quartet.outbox order by place`;

async function appendMissing(log: EventLog, events: readonly CapturedEvent[]): Promise<number> {
  const known = await log.readKnown(events.map((event) => event.eventId));
  const missing = events.filter((event) => !known.has(event.eventId));
  await log.append(missing);
  return missing.length;
}

async function readPosition(client: Client, stream: TransactionStream): Promise<string> {
  const result = await client.query<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
  const { systemId, timeline } = stream;
  return formatPosition({ systemId, timeline, lsn: parseWalLocation(result.rows[0]?.lsn ?? "0/0") });
}

function toEvent(source: OutboxSource, row: OutboxRow, position: string | undefined): CapturedEvent {
  return {
    source: source.name,
    eventId: row.id,
    type: row.type,
    key: row.aggregateid,
    payload: row.payload,
    causationId: row.causationid ?? undefined,
    correlationId: row.correlationid ?? undefined,
    traceparent: row.traceparent ?? undefined,
    committedAt: new Date(timeOfEventId(row.id)),
    position,
  };
}
