import type { Pool } from "pg";
import { formatPosition, parseWalLocation } from "./position.ts";

interface PositionRow {
  readonly lsn: string;
  readonly timeline: string;
}

const systemIds = new WeakMap<Pool, Promise<string>>();

/**
 * The position now. Call it after COMMIT: a location inside the commit record is passed too early.
 * On a replica it is the location replayed so far.
 */
export async function takePosition(pool: Pool): Promise<string> {
  const systemId = await systemIdOf(pool);
  const result = await pool.query<PositionRow>({
    name: "take position",
    text: `select lsn::text, timeline from (
  select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end as lsn,
    case when pg_is_in_recovery() then (select timeline_id::text from pg_control_checkpoint())
    else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int::text end as timeline) now`,
  });
  const [row] = result.rows;
  const lsn = parseWalLocation(row?.lsn ?? "0/0");
  return formatPosition({ systemId, timeline: Number(row?.timeline ?? 0), lsn });
}

/** The database system's identifier: the same on a primary and its replicas. Asked once per pool. */
export function systemIdOf(pool: Pool): Promise<string> {
  const known = systemIds.get(pool);
  if (known) return known;
  const asked = pool
    .query<{ id: string }>("select system_identifier::text as id from pg_control_system()")
    .then((result) => result.rows[0]?.id ?? "0");
  systemIds.set(pool, asked);
  asked.catch(() => systemIds.delete(pool));
  return asked;
}
