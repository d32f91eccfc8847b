import type pg from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { type Lsn, parseLsn } from "./lsn.ts";
import type { ReplicationSource } from "./replication-source.ts";

/** What the server tells of a logical slot. */
export interface Slot {
  /** What commits after it is streamed. Undefined only for a slot that is lost. */
  readonly confirmed: Lsn | undefined;
  /** Why it can never be read from again; undefined: it can. In the server's words, such as `wal_removed`. */
  readonly lostReason: string | undefined;
  /** Process id of the server's process that reads it for somebody. */
  readonly activePid: number | undefined;
}

interface SlotRow {
  readonly mine: boolean;
  readonly confirmed: string | null;
  readonly lostReason: string | null;
  readonly activePid: number | null;
}

/**
 * Reads the slot of a source. Undefined where there is none, and for one that is still being made: it is listed, but has
 * no position and may yet vanish.
 *
 * @throws QuartetError `failed_precondition` when a slot of that name belongs to another database or plugin.
 */
export async function readSlot(client: pg.Client, source: ReplicationSource): Promise<Slot | undefined> {
  const found = await client.query<SlotRow>(slotSql, [source.slot]);
  const [row] = found.rows;
  if (!row) return undefined;
  if (!row.mine) {
    throw new QuartetError(
      "failed_precondition",
      `Slot ${source.slot} exists, but not for pgoutput in this database.`,
      { fix: "Choose another slot name, or drop that slot." },
    );
  }
  if (row.confirmed === null && row.lostReason === null) return undefined;
  return {
    confirmed: row.confirmed === null ? undefined : parseLsn(row.confirmed),
    lostReason: row.lostReason ?? undefined,
    activePid: row.activePid ?? undefined,
  };
}

// invalidation_reason exists from 17 on; as JSON the statement works on every version.
const slotSql = `select coalesce(slot.database = current_database() and slot.plugin = 'pgoutput', false) as mine,
  slot.confirmed_flush_lsn::text as confirmed, slot.active_pid as "activePid",
  coalesce(to_jsonb(slot) ->> 'invalidation_reason', case when slot.wal_status = 'lost' then 'wal_removed' end)
    as "lostReason"
from pg_catalog.pg_replication_slots as slot where slot.slot_name = $1`;
