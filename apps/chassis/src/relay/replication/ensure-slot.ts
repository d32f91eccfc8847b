import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { sqlStateError } from "./capture-fault.ts";
import { type Lsn, parseLsn, zeroLsn } from "./lsn.ts";
import { readSlot } from "./read-slot.ts";
import type { ReplicationSource } from "./replication-source.ts";
import { slotStatementTimeoutMs, withSourceClient } from "./source-client.ts";

const pollMs = 50;

export interface SlotState {
  readonly created: boolean;
  /** What commits after it is streamed; for a slot that was there: what was acknowledged last. */
  readonly consistentPoint: Lsn;
  /** `lost`: the server has invalidated the slot; it can only be made anew, and events are missing from it. */
  readonly state: "ok" | "lost";
}

/**
 * Makes sure that the slot exists: logical, pgoutput, and copied to standbys (`failover`) where the server can (17 and
 * later, on a primary). Idempotent, also when several processes do it at once. Never drops a slot.
 *
 * Throws `unavailable` (`captureFault`: `publication_missing`, `connection` …) and `failed_precondition` when a slot of
 * that name belongs to another database or plugin. The publication must be there first: what is written before it
 * exists is never streamed. Aborting ends the wait for older transactions.
 */
export async function ensureSlot(source: ReplicationSource, signal?: AbortSignal): Promise<SlotState> {
  const ensure = async (client: pg.Client): Promise<SlotState> => {
    for (const deadline = performance.now() + slotStatementTimeoutMs; ; await delay(pollMs)) {
      const existing = await readSlot(client, source);
      if (existing) {
        const state = existing.lostReason === undefined ? "ok" : "lost";
        return { created: false, consistentPoint: existing.confirmed ?? zeroLsn, state };
      }
      await requirePublication(client, source);
      try {
        return await createSlot(client, source);
      } catch (error) {
        // Another process makes it at this moment.
        if (!isDuplicate(error) || performance.now() > deadline) throw error;
      }
    }
  };
  return withSourceClient(source, ensure, signal === undefined ? {} : { signal });
}

/**
 * Drops the slot, if it is there, and creates it: for a lost one. What committed before the new consistent point and
 * was not read is not streamed any more: the caller repairs from the table, after this. Throws `unavailable` with
 * fault `slot_active` while another process reads the slot.
 */
export async function recreateSlot(source: ReplicationSource, signal?: AbortSignal): Promise<SlotState> {
  const recreate = async (client: pg.Client): Promise<SlotState> => {
    await requirePublication(client, source);
    await client.query(
      "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1",
      [source.slot],
    );
    return createSlot(client, source);
  };
  return withSourceClient(source, recreate, signal === undefined ? {} : { signal });
}

async function createSlot(client: pg.Client, source: ReplicationSource): Promise<SlotState> {
  const failover = await canFailOver(client);
  const created = await client.query<{ lsn: string }>(
    `select lsn::text from pg_catalog.pg_create_logical_replication_slot(
       $1, 'pgoutput', false, false${failover ? ", failover => true" : ""})`,
    [source.slot],
  );
  const lsn = created.rows[0]?.lsn;
  if (lsn === undefined)
    throw new QuartetError("internal", `Slot ${source.slot} was created without a position.`);
  return { created: true, consistentPoint: parseLsn(lsn), state: "ok" };
}

async function canFailOver(client: pg.Client): Promise<boolean> {
  const server = await client.query<{ yes: boolean }>(
    "select current_setting('server_version_num')::int >= 170000 and not pg_catalog.pg_is_in_recovery() as yes",
  );
  return server.rows[0]?.yes === true;
}

async function requirePublication(client: pg.Client, source: ReplicationSource): Promise<void> {
  const found = await client.query("select 1 from pg_catalog.pg_publication where pubname = $1", [
    source.publication,
  ]);
  if (found.rows.length === 0) {
    throw sqlStateError("42704", `publication "${source.publication}" does not exist`);
  }
}

function isDuplicate(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === "42710";
}
