import type pg from "pg";
import { parseLsn } from "../replication/lsn.ts";
import { withSourceClient } from "../replication/source-client.ts";
import type { CaptureRecord, LastRepair } from "./capture-record.ts";
import { judgeSource, type SourceVerdict } from "./inspect-source.ts";
import { type OutboxSource, replicationOf } from "./outbox-source.ts";
import { readSourceFacts } from "./source-facts.ts";

/** How an outbox' server, its slot and the log stand to each other at a moment: data for `quartet doctor`. */
export interface SourceReport {
  readonly slotName: string;
  readonly server: ServerReport;
  /** Undefined: there is no slot of that name. */
  readonly slot: SlotReport | undefined;
  /** Undefined where nothing can be said: the server is a replica, or no relay has taken the outbox yet. */
  readonly verdict: SourceVerdict | undefined;
  readonly lastRepair: LastRepair | undefined;
}

export interface ServerReport {
  readonly inRecovery: boolean;
  readonly walLevel: string;
  /** `max_slot_wal_keep_size`; undefined: without a limit. */
  readonly maxKeptBytes: number | undefined;
  /** Slots can be copied to standbys: 17 and later. */
  readonly canFailOver: boolean;
  readonly publicationExists: boolean;
}

export interface SlotReport {
  readonly plugin: string;
  readonly ofThisDatabase: boolean;
  readonly active: boolean;
  /** `reserved`, `extended`, `unreserved` or `lost`: the words of `pg_replication_slots`. */
  readonly walStatus: string;
  readonly invalidationReason: string | undefined;
  /** From what was acknowledged to the end of the WAL. Undefined for a lost slot and on a replica. */
  readonly lagBytes: number | undefined;
  /** How much may be written before the slot is in danger of being lost; undefined: without a limit. */
  readonly safeBytes: number | undefined;
  readonly failover: boolean;
  readonly synced: boolean;
}

/**
 * Reads the report. Changes nothing, and disturbs no capture.
 *
 * @param readRecord reads what the log has on record (`readCaptureRecord`)
 * @throws QuartetError `unavailable` when a server cannot be reached.
 */
export async function readSourceReport(
  source: OutboxSource,
  readRecord: () => Promise<CaptureRecord | undefined>,
): Promise<SourceReport> {
  return withSourceClient(replicationOf(source), async (client) => {
    const server = await readServer(client, source);
    const slot = await readSlotRow(client, source);
    // In this order, as a capture may be going on: what is acknowledged was on record before.
    const record = await readRecord();
    const verdict = record === undefined || server.inRecovery ? undefined : await judge(client, slot, record);
    return {
      slotName: source.slot,
      server,
      slot: slot && toSlotReport(slot),
      verdict,
      lastRepair: record?.lastRepair,
    };
  });
}

async function judge(
  client: pg.Client,
  slot: SlotRow | undefined,
  { state }: CaptureRecord,
): Promise<SourceVerdict> {
  const facts = await readSourceFacts(client);
  const evidence = slot && {
    confirmed: slot.confirmed === null ? undefined : parseLsn(slot.confirmed),
    lostReason: lostReasonOf(slot),
  };
  return judgeSource(client, { facts, slot: evidence, state });
}

async function readServer(client: pg.Client, source: OutboxSource): Promise<ServerReport> {
  const result = await client.query<ServerRow>(serverSql, [replicationOf(source).publication]);
  const [row] = result.rows;
  if (row === undefined) throw new TypeError("a select without a from clause has a row");
  return { ...row, maxKeptBytes: row.maxKeptBytes ?? undefined };
}

interface ServerRow extends Omit<ServerReport, "maxKeptBytes"> {
  readonly maxKeptBytes: number | null;
}

const serverSql = `select pg_is_in_recovery() as "inRecovery", current_setting('wal_level') as "walLevel",
  (select case when setting::float8 >= 0 then setting::float8 * 1048576 end
    from pg_settings where name = 'max_slot_wal_keep_size') as "maxKeptBytes",
  current_setting('server_version_num')::int >= 170000 as "canFailOver",
  exists (select from pg_publication where pubname = $1) as "publicationExists"`;

async function readSlotRow(client: pg.Client, source: OutboxSource): Promise<SlotRow | undefined> {
  const result = await client.query<SlotRow>(slotSql, [source.slot]);
  return result.rows[0];
}

function toSlotReport(row: SlotRow): SlotReport {
  return {
    plugin: row.plugin,
    ofThisDatabase: row.ofThisDatabase,
    active: row.active,
    walStatus: row.walStatus,
    invalidationReason: lostReasonOf(row),
    lagBytes: row.lagBytes ?? undefined,
    safeBytes: row.safeBytes ?? undefined,
    failover: row.failover,
    synced: row.synced,
  };
}

function lostReasonOf(row: SlotRow): string | undefined {
  return row.invalidationReason ?? (row.walStatus === "lost" ? "wal_removed" : undefined);
}

interface SlotRow {
  readonly plugin: string;
  readonly ofThisDatabase: boolean;
  readonly active: boolean;
  readonly walStatus: string;
  readonly invalidationReason: string | null;
  readonly confirmed: string | null;
  readonly lagBytes: number | null;
  readonly safeBytes: number | null;
  readonly failover: boolean;
  readonly synced: boolean;
}

// Columns of 17 and later are read by way of JSON, so that the statement works before.
const slotSql = `select coalesce(slot.plugin, '') as plugin, slot.active,
  coalesce(slot.database = current_database(), false) as "ofThisDatabase",
  coalesce(slot.wal_status, 'lost') as "walStatus", to_jsonb(slot) ->> 'invalidation_reason' as "invalidationReason",
  slot.confirmed_flush_lsn::text as confirmed,
  case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), slot.confirmed_flush_lsn)::float8 end
    as "lagBytes",
  slot.safe_wal_size::float8 as "safeBytes",
  coalesce((to_jsonb(slot) ->> 'failover')::boolean, false) as failover,
  coalesce((to_jsonb(slot) ->> 'synced')::boolean, false) as synced
from pg_replication_slots as slot where slot.slot_name = $1`;
