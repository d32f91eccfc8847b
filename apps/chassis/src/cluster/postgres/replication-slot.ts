import { queryServer } from "./query-server.ts";

/** The name of the replica's slot on the primary, and of its connection there. */
export const replicaName = "quartet_replica";

/**
 * Makes sure that the primary keeps WAL for the replica from here on. An invalidated slot never recovers, so it is
 * replaced; whether the replica still finds what it needs shows when it connects.
 */
export async function openReplicationSlot(url: string): Promise<void> {
  const [slot] = await queryServer<{ wal_status: string | null }>(
    url,
    "select wal_status from pg_replication_slots where slot_name = $1",
    [replicaName],
  );
  if (slot !== undefined && slot.wal_status !== "lost") return;
  if (slot !== undefined) await queryServer(url, "select pg_drop_replication_slot($1)", [replicaName]);
  await queryServer(url, "select pg_create_physical_replication_slot($1, true)", [replicaName]);
}

/** Whether the replica has caught up with the primary and follows it. */
export async function isReplicaStreaming(url: string): Promise<boolean> {
  const rows = await queryServer(
    url,
    "select 1 from pg_stat_replication where application_name = $1 and state = 'streaming'",
    [replicaName],
  );
  return rows.length > 0;
}
