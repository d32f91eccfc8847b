import type { Pool } from "pg";

/** How far a replica is behind, as far as it can know. */
export interface ReplicaLag {
  /** It is connected to its primary. While it is not, it cannot know what it lacks. */
  readonly streaming: boolean;
  /** Age of the newest commit that it has replayed; 0 when it streams, and has replayed all that it received. */
  readonly seconds: number | undefined;
  /** WAL that it has received and not replayed. Undefined: it has received none by streaming. */
  readonly bytes: number | undefined;
}

interface LagRow {
  readonly recovering: boolean;
  readonly streaming: boolean;
  readonly bytes: number | null;
  readonly age: number | null;
}

// The process id of the receiver is told to every login.
const lagSql = `select pg_is_in_recovery() as recovering,
  exists (select from pg_stat_wal_receiver where pid is not null) as streaming,
  pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8 as bytes,
  extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as age`;

/** Undefined where the server is no replica. */
export async function readReplicaLag(pool: Pool): Promise<ReplicaLag | undefined> {
  const result = await pool.query<LagRow>({ name: "read replica lag", text: lagSql });
  const [row] = result.rows;
  if (row === undefined || !row.recovering) return undefined;
  const { streaming, bytes, age } = row;
  const seconds = streaming && bytes !== null && bytes <= 0 ? 0 : age;
  return {
    streaming,
    // The primary's clock may be ahead of the replica's; a segment's beginning counts as received before it is.
    seconds: seconds === null ? undefined : Math.max(0, seconds),
    bytes: bytes === null ? undefined : Math.max(0, bytes),
  };
}
