import { QuartetError } from "../../error/quartet-error.ts";
import type { SqlClient } from "../../sql/sql-client.ts";

/** How far clocks of databases may be apart. */
const clockSlackMinutes = 5;

/** See `EventLog.readHead`. */
export async function readHead(client: SqlClient): Promise<{ readonly seq: bigint; readonly epoch: number }> {
  const result = await client.query<{ seq: bigint; epoch: number }>({
    name: "read log head",
    text: "select seq, epoch from quartet.event_log_head",
  });
  const [head] = result.rows;
  if (head === undefined) {
    throw new QuartetError("failed_precondition", "The log has no head.", { fix: "quartet apply" });
  }
  return head;
}

/** See `EventLog.readFloor`. */
export async function readFloor(client: SqlClient): Promise<bigint> {
  const result = await client.query<{ floor: bigint }>({
    name: "read log floor",
    text: "select min(first_seq) - 1 as floor from quartet.event_log_segment",
  });
  return result.rows[0]?.floor ?? 0n;
}

/**
 * See `EventLog.findSequence`. Commit times do not quite rise with the sequence: outboxes have clocks of their own, and
 * delayed events come late. So nothing is bisected: segments that were full before are left out, and the others read
 * from their beginning until an event is found; 1,000,000 events in half a second.
 */
export async function findSequence(client: SqlClient, time: Date): Promise<bigint> {
  const segments = await client.query<{ segment: number }>({
    text: `select s.segment from quartet.event_log_segment s
left join quartet.event_log_segment next on next.segment = s.segment + 1
where next.segment is null or next.opened_at >= $1::timestamptz - interval '${clockSlackMinutes} minutes' order by 1`,
    values: [time],
  });
  for (const { segment } of segments.rows) {
    const found = await client.query<{ seq: bigint }>({
      text: `select seq - 1 as seq from quartet.event_log
where segment = $1 and committed_at >= $2 order by event_log.seq limit 1`,
      values: [segment, time],
    });
    const [row] = found.rows;
    if (row !== undefined) return row.seq;
  }
  return (await readHead(client)).seq;
}

/** The head, and how many relay processes live. */
export async function readPulse(
  client: SqlClient,
): Promise<{ readonly seq: bigint; readonly epoch: number; readonly processes: number }> {
  const result = await client.query<{ seq: bigint; epoch: number; processes: number }>({
    name: "read log pulse",
    text: `select seq, epoch, (select count(*)::int from quartet.relay_process
  where seen_at > now() - interval '5 seconds') as processes from quartet.event_log_head`,
  });
  return result.rows[0] ?? { seq: 0n, epoch: 0, processes: 0 };
}
