import type { Pool } from "pg";

/** How much WAL a server keeps for the slot of an outbox. */
export interface RetainedWal {
  readonly source: string;
  readonly bytes: number;
}

/** Undefined where there is no slot, or it was invalidated: it holds nothing then. */
export async function readRetainedWal(
  pool: Pool,
  source: string,
  slot: string,
): Promise<RetainedWal | undefined> {
  const result = await pool.query<{ bytes: number | null }>({
    name: "read retained wal",
    text: `select pg_wal_lsn_diff(
    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::float8 as bytes
from pg_catalog.pg_replication_slots where slot_name = $1`,
    values: [slot],
  });
  const bytes = result.rows[0]?.bytes ?? null;
  return bytes === null ? undefined : { source, bytes: Math.max(0, bytes) };
}
