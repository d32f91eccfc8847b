import type { TestDatabase } from "../../cluster/postgres/test-database.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { LogEnds } from "./start-sequence.ts";

/** An event of the log, for tests: what is given, and plain values for the rest. */
export function testEvent(changes: Partial<LogEvent> = {}): LogEvent {
  return {
    seq: 7n,
    epoch: 1,
    source: "main",
    eventId: "01890a5d-ac96-774b-bcce-b302099a8057",
    type: "shop.v1.OrderPlaced",
    key: "order-7",
    payload: "{}",
    causationId: undefined,
    correlationId: undefined,
    traceparent: undefined,
    committedAt: new Date("2031-05-01T12:00:00.000Z"),
    position: undefined,
    ...changes,
  };
}

/** Puts so many events into the log's table, a second apart, the last one now. */
export async function fillLog(database: TestDatabase, events: number): Promise<void> {
  await database.query(
    `insert into quartet.event_log (segment, seq, epoch, source, event_id, type, key, payload, committed_at)
select 1, n, 1, 'main', gen_random_uuid(), 'shop.v1.OrderPlaced', '', '{}', now() - ($1 - n) * interval '1 second'
from generate_series(1, $1::int) n`,
    [events],
  );
  await database.query("update quartet.event_log_head set seq = $1", [events]);
}

/** The ends of the log as its tables have them. */
export function logEnds(database: TestDatabase): LogEnds {
  const one = async (text: string, values: readonly unknown[] = []) => {
    const [row] = await database.query<{ seq: bigint | null }>(text, values);
    return row?.seq ?? 0n;
  };
  return {
    readFloor: () => one("select min(first_seq) - 1 as seq from quartet.event_log_segment"),
    readHead: async () => ({ seq: await one("select seq from quartet.event_log_head"), epoch: 1 }),
    findSequence: (time) =>
      one("select coalesce(max(seq), 0) as seq from quartet.event_log where committed_at < $1", [time]),
  };
}
