import type { Pool } from "pg";
import { type Position, parseWalLocation } from "./position.ts";
import { systemIdOf } from "./system-id.ts";

/** What a database server says of itself: where it is, on which timeline, and whether it replays. */
export interface ServerState {
  readonly position: Position;
  readonly recovering: boolean;
  /** It receives WAL from its primary. */
  readonly streaming: boolean;
  /** When its postmaster was started: another time is another run, or another server behind the same address. */
  readonly startedAt: string;
}

interface StateRow {
  readonly recovering: boolean;
  readonly lsn: string | null;
  readonly timeline: number | null;
  readonly streaming: boolean;
  readonly started_at: string;
}

/**
 * Where a primary is. After a record that ends with its page, it names the first byte behind the next page's header (24
 * bytes), which no replica says to have replayed until there is a next record; the page's beginning is the same place.
 */
export const primaryLocationSql = `case
  when (pg_current_wal_insert_lsn() - '0/0') % current_setting('wal_block_size')::int = 24
    then pg_current_wal_insert_lsn() - 24
  else pg_current_wal_insert_lsn() end`;

/** The timeline of a primary, in eight hexadecimal digits. */
export const primaryTimelineSql = "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

/** The location up to which a read sees everything: replayed on a replica, inserted on a primary. */
export const locationSql = `case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else ${primaryLocationSql} end`;

/**
 * The timeline. A replica does not tell that of its replay, so it is the newest one that is proven: of its last restart
 * point, of what it has flushed, and, to logins that may read statistics of all (`pg_read_all_stats`), of what it
 * receives. Without that right a replica that follows a promotion is known to be on the new timeline some minutes later.
 */
export const timelineSql = `case when pg_is_in_recovery() then greatest(
    (select timeline_id from pg_control_checkpoint()), (select min_recovery_end_timeline from pg_control_recovery()),
    (select received_tli from pg_stat_wal_receiver))
  else ('x' || ${primaryTimelineSql})::bit(32)::int end`;

const stateSql = `select pg_is_in_recovery() as recovering, (${locationSql})::text as lsn, ${timelineSql} as timeline,
  pg_is_in_recovery() and pg_last_wal_receive_lsn() is not null as streaming, pg_postmaster_start_time()::text as started_at`;

/** Asks once. What it answers was so after the call. */
export async function readServerState(pool: Pool): Promise<ServerState> {
  const systemId = await systemIdOf(pool);
  const result = await pool.query<StateRow>({ name: "read server state", text: stateSql });
  const [row] = result.rows;
  const lsn = parseWalLocation(row?.lsn ?? "0/0");
  return {
    position: { systemId, timeline: row?.timeline ?? 0, lsn },
    recovering: row?.recovering ?? true,
    streaming: row?.streaming ?? false,
    startedAt: row?.started_at ?? "",
  };
}
