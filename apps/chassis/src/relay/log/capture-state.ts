import type { QueryResult } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type { SqlClient } from "../../sql/sql-client.ts";
import { formatLsn, type Lsn, parseLsn } from "../replication/lsn.ts";
import type { CapturePoint, CaptureState, RepairEnd, SourceFence } from "./event-log.ts";
import type { TakenSource } from "./taken-sources.ts";

interface CaptureRow {
  readonly system_id: string | null;
  readonly timeline: number | null;
  readonly commit_lsn: string;
  readonly commit_rows: number;
  readonly confirmed_lsn: string;
  readonly repaired_to: string;
  readonly last_event_id: string | null;
  readonly repair_due: string | null;
}

/** See `EventLog.takeSource`. An append of a former holder that is under way ends first. */
export async function takeSource(client: SqlClient, { source, epoch }: SourceFence): Promise<CaptureState> {
  const result = await client.query<CaptureRow>({
    text: `insert into quartet.event_log_capture as capture (source, lease_epoch) values ($1, $2)
on conflict (source) do update set lease_epoch = excluded.lease_epoch where capture.lease_epoch <= excluded.lease_epoch
returning system_id, timeline, commit_lsn, commit_rows, confirmed_lsn, repaired_to, last_event_id, repair_due`,
    values: [source, epoch],
  });
  const [row] = result.rows;
  if (row === undefined) throw leaseLost(source);
  return toCaptureState(row);
}

function toCaptureState(row: CaptureRow): CaptureState {
  return {
    identity:
      row.system_id === null || row.timeline === null
        ? undefined
        : { systemId: row.system_id, timeline: row.timeline },
    point: { commitLsn: parseLsn(row.commit_lsn), rows: row.commit_rows },
    confirmed: parseLsn(row.confirmed_lsn),
    repairedTo: parseLsn(row.repaired_to),
    lastEventId: row.last_event_id ?? undefined,
    repairDue: row.repair_due ?? undefined,
  };
}

/** See `EventLog.confirm`. */
export async function confirmSource(client: SqlClient, fence: SourceFence, confirmed: Lsn): Promise<void> {
  const result = await client.query({
    name: "confirm source",
    text: `update quartet.event_log_capture set confirmed_lsn = greatest(confirmed_lsn, $3::pg_lsn)
where source = $1 and lease_epoch = $2`,
    values: [fence.source, fence.epoch, formatLsn(confirmed)],
  });
  requireMoved(result, fence.source);
}

/** Moves a source on over WAL that holds nothing that the log lacks. */
export async function passSource(
  client: SqlClient,
  fence: SourceFence,
  point: CapturePoint,
  confirmed: Lsn,
): Promise<void> {
  const result = await client.query({
    name: "pass source",
    text: `update quartet.event_log_capture set confirmed_lsn = greatest(confirmed_lsn, $5::pg_lsn),
  commit_lsn = $3::pg_lsn, commit_rows = $4::int
where source = $1 and lease_epoch = $2 and (commit_lsn, commit_rows) <= ($3::pg_lsn, $4::int)`,
    values: [fence.source, fence.epoch, formatLsn(point.commitLsn), point.rows, formatLsn(confirmed)],
  });
  requireMoved(result, fence.source);
}

/** See `EventLog.beginRepair`. What was captured last may be what the outbox has lost. */
export async function beginRepair(
  client: SqlClient,
  fence: SourceFence,
  reason: string,
  logWasRestored: boolean,
): Promise<void> {
  const result = await client.query({
    text: `with due as (
  update quartet.event_log_capture set repair_due = $3, last_event_id = null
  where source = $1 and lease_epoch = $2 returning source
), head as (
  update quartet.event_log_head set epoch = epoch + 1 where $4 and exists (select from due)
)
select from due`,
    values: [fence.source, fence.epoch, reason, logWasRestored],
  });
  requireMoved(result, fence.source);
}

/**
 * See `EventLog.endRepair`. The source must be as this one knows it: an end that was given up comes to run late, perhaps
 * when the repair was done again and the source has gone on.
 *
 * @returns false when it is not.
 */
export async function endRepair(client: SqlClient, from: TakenSource, end: RepairEnd): Promise<boolean> {
  const result = await client.query({
    text: `update quartet.event_log_capture set system_id = $3, timeline = $4, commit_lsn = $5, commit_rows = 0,
  confirmed_lsn = $5, repaired_to = $6, repair_due = null, last_repair_at = now(), last_repair_reason = repair_due,
  last_repair_count = $7
where source = $1 and lease_epoch = $2 and repair_due is not null and commit_lsn = $8::pg_lsn and commit_rows = $9::int
  and last_event_id is not distinct from $10::uuid`,
    values: [
      from.source,
      from.epoch,
      end.identity.systemId,
      end.identity.timeline,
      formatLsn(end.confirmed),
      formatLsn(end.repairedTo),
      end.count,
      formatLsn(from.point.commitLsn),
      from.point.rows,
      from.lastEventId ?? null,
    ],
  });
  return result.rowCount === 1;
}

/** Whoever finds another epoch than its own has been succeeded. */
function requireMoved(result: QueryResult, source: string): void {
  if (result.rowCount === 0) throw leaseLost(source);
}

function leaseLost(source: string): QuartetError {
  return new QuartetError("lease_lost", `Another relay captures ${source} now.`);
}
