import type { Pool } from "pg";
import type { CaptureState } from "../log/event-log.ts";
import { parseLsn } from "../replication/lsn.ts";

/** What the log in Postgres has on record of an outbox, for those who only look. */
export interface CaptureRecord {
  readonly state: CaptureState;
  readonly lastRepair: LastRepair | undefined;
}

/** The last repair that was ended. */
export interface LastRepair {
  readonly at: Date;
  readonly reason: string;
  /** How many events the log had lacked. */
  readonly count: number;
}

/** Reads it from the events database without taking the source. Undefined: it was never taken. */
export async function readCaptureRecord(pool: Pool, source: string): Promise<CaptureRecord | undefined> {
  const result = await pool.query<RecordRow>({
    name: "read capture record",
    text: recordSql,
    values: [source],
  });
  const [row] = result.rows;
  if (row === undefined) return undefined;
  const { system_id: systemId, timeline } = row;
  return {
    state: {
      identity: systemId === null || timeline === null ? undefined : { systemId, timeline },
      point: { commitLsn: parseLsn(row.commit_lsn), rows: row.commit_rows },
      confirmed: parseLsn(row.confirmed_lsn),
      repairedTo: parseLsn(row.repaired_to),
      lastEventId: row.last_event_id ?? undefined,
      repairDue: row.repair_due ?? undefined,
    },
    lastRepair: toLastRepair(row),
  };
}

function toLastRepair(row: RecordRow): LastRepair | undefined {
  if (row.last_repair_at === null) return undefined;
  return { at: row.last_repair_at, reason: row.last_repair_reason ?? "", count: row.last_repair_count ?? 0 };
}

interface RecordRow {
  readonly system_id: string | null;
  readonly timeline: number | null;
  readonly commit_lsn: string;
  readonly commit_rows: number;
  readonly confirmed_lsn: string;
  readonly repaired_to: string;
  readonly last_event_id: string | null;
  readonly repair_due: string | null;
  readonly last_repair_at: Date | null;
  readonly last_repair_reason: string | null;
  readonly last_repair_count: number | null;
}

const recordSql = `select system_id, timeline, commit_lsn::text, commit_rows, confirmed_lsn::text, repaired_to::text,
  last_event_id, repair_due, last_repair_at, last_repair_reason, last_repair_count::float8 as last_repair_count
from quartet.event_log_capture where source = $1`;
