import { Client } from "pg";
import { timeOfEventId } from "../outbox/event-id.ts";
import type { EventLog } from "./log/event-log.ts";
import type { CapturedEvent } from "./log/log-event.ts";
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
 * Appends to the log whatever of an outbox table it lacks, in id order. Call it once the slot exists: what commits
 * meanwhile comes by the slot as well, and the log drops what it knows.
 *
 * @returns how many events the log lacked.
 */
export async function repairFromTable(
  source: OutboxSource,
  systemId: string,
  log: EventLog,
  signal: AbortSignal,
): Promise<number> {
  const client = new Client({ connectionString: source.url, application_name: "quartet relay repair" });
  client.on("error", () => undefined);
  let count = 0;
  try {
    await client.connect();
    for (let after = "00000000-0000-0000-0000-000000000000"; !signal.aborted; ) {
      const page = await readPage(client, after);
      const known = await log.readKnown(page.map((row) => row.id));
      const missing = page.filter((row) => !known.has(row.id)).map((row) => toEvent(source, row));
      count += missing.length;
      // Location 0: says nothing of how far the slot is.
      await log.append({ source: source.name, systemId, lsn: 0n, events: missing });
      const last = page.at(-1);
      if (last === undefined || page.length < pageRows) return count;
      after = last.id;
    }
    return count;
  } finally {
    await client.end();
  }
}

async function readPage(client: Client, after: string): Promise<OutboxRow[]> {
  const result = await client.query<OutboxRow>(
    `select id, aggregateid, type, payload::text as payload, causationid, correlationid, traceparent
from quartet.outbox where id > $1 order by id limit $2`,
    [after, pageRows],
  );
  return result.rows;
}

function toEvent(source: OutboxSource, row: OutboxRow): CapturedEvent {
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
    position: undefined,
  };
}
