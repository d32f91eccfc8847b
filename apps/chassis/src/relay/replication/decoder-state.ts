import type pg from "pg";

/** What the server tells of the process that decodes for a slot. */
export interface DecoderState {
  /** All counters of the slot as one text: differs when anything was decoded, spilled or sent. */
  readonly counters: string;
  /** It computes or reads a file, as far as one can see; not: it waits for WAL, a lock or another server. */
  readonly working: boolean;
}

/**
 * Reads the counters of a slot and what its walsender does. A login sees that of its own processes only (or with
 * pg_read_all_stats); else `working` is false. Undefined where there is no such slot.
 */
export async function readDecoderState(client: pg.Client, slot: string): Promise<DecoderState | undefined> {
  const found = await client.query<DecoderState>(
    `select concat_ws(' ', stats.total_txns, stats.total_bytes, stats.spill_count, stats.spill_bytes,
              stats.stream_count, stats.stream_bytes) as counters,
            sender.backend_type = 'walsender'
              and (sender.wait_event_type is null or sender.wait_event_type = 'IO') is true as working
       from pg_catalog.pg_replication_slots as slot
       left join pg_catalog.pg_stat_replication_slots as stats on stats.slot_name = slot.slot_name
       left join pg_catalog.pg_stat_activity as sender on sender.pid = slot.active_pid
      where slot.slot_name = $1`,
    [slot],
  );
  return found.rows[0];
}
