import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { captureError, sqlStateError } from "./capture-fault.ts";
import { type Lsn, parseLsn, zeroLsn } from "./lsn.ts";
import { checkSource, type ReplicationSource } from "./replication-source.ts";

/** Creating a slot waits for every older transaction to end; a forgotten one must not hold us for ever. */
const statementTimeoutMs = 60_000;
const connectTimeoutMs = 10_000;
/** How much longer than the server's own limit we wait for an answer, before the connection counts as dead. */
const answerSlackMs = 5_000;
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
 * exists is never streamed.
 */
export async function ensureSlot(source: ReplicationSource): Promise<SlotState> {
  return withClient(source, async (client) => {
    for (const deadline = Date.now() + statementTimeoutMs; ; await delay(pollMs)) {
      const existing = await readSlot(client, source);
      if (existing) return existing;
      await requirePublication(client, source);
      try {
        return await createSlot(client, source);
      } catch (error) {
        // Another process makes it at this moment.
        if (!isDuplicate(error) || Date.now() > deadline) throw error;
      }
    }
  });
}

/** Whether the slot is there and can be read from. Changes nothing. Throws as {@link ensureSlot} does. */
export async function readSlotState(source: ReplicationSource): Promise<"ok" | "lost" | "missing"> {
  return withClient(source, async (client) => (await readSlot(client, source))?.state ?? "missing");
}

/**
 * Drops the slot, if it is there, and creates it: for a lost one. What committed before the new consistent point and
 * was not read is not streamed any more: the caller repairs from the table, after this. Throws `unavailable` with
 * fault `slot_active` while another process reads the slot.
 */
export async function recreateSlot(source: ReplicationSource): Promise<SlotState> {
  return withClient(source, async (client) => {
    await requirePublication(client, source);
    await client.query(
      "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1",
      [source.slot],
    );
    return createSlot(client, source);
  });
}

interface SlotRow {
  readonly mine: boolean;
  readonly confirmed: string | null;
  readonly lost: boolean;
}

/** Undefined also for a slot that is still being made: it is listed, but has no position and may yet vanish. */
async function readSlot(client: pg.Client, source: ReplicationSource): Promise<SlotState | undefined> {
  // invalidation_reason exists from 17 on; as JSON the statement works on every version.
  const found = await client.query<SlotRow>(
    `select coalesce(slot.database = current_database() and slot.plugin = 'pgoutput', false) as mine,
            slot.confirmed_flush_lsn::text as confirmed,
            coalesce(slot.wal_status = 'lost', false)
              or to_jsonb(slot) ->> 'invalidation_reason' is not null as lost
       from pg_catalog.pg_replication_slots as slot where slot.slot_name = $1`,
    [source.slot],
  );
  const [row] = found.rows;
  if (!row) return undefined;
  if (!row.mine) {
    throw new QuartetError(
      "failed_precondition",
      `Slot ${source.slot} exists, but not for pgoutput in this database.`,
      { fix: "Choose another slot name, or drop that slot." },
    );
  }
  if (row.confirmed === null && !row.lost) return undefined;
  const consistentPoint = row.confirmed === null ? zeroLsn : parseLsn(row.confirmed);
  return { created: false, consistentPoint, state: row.lost ? "lost" : "ok" };
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

async function withClient<T>(source: ReplicationSource, work: (client: pg.Client) => Promise<T>): Promise<T> {
  checkSource(source);
  const client = new pg.Client({
    connectionString: source.url,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + answerSlackMs,
    fallback_application_name: `quartet-slot-${source.slot}`,
  });
  client.on("error", () => {}); // the statement in progress reports it; without a listener the process would end
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw captureError(`Cannot prepare slot ${source.slot}`, error);
  } finally {
    await client.end();
  }
}

function isDuplicate(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === "42710";
}
