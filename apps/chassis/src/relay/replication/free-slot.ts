import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { sqlStateError } from "./capture-fault.ts";
import { readSlot } from "./read-slot.ts";
import type { ReplicationSource } from "./replication-source.ts";

const pollMs = 20;

/**
 * Ends whoever reads the slot: a walsender of a relay that hangs or whose machine is gone holds it until
 * `wal_sender_timeout` at least. For the holder of the source's lease alone. Needs the login of that reader.
 *
 * @returns how many readers were ended.
 * @throws an error of fault `slot_active` when it is still read after `timeoutMs`.
 */
export async function freeSlot(
  client: pg.Client,
  source: ReplicationSource,
  timeoutMs: number,
): Promise<number> {
  const ended = new Set<number>();
  for (const deadline = performance.now() + timeoutMs; ; await delay(pollMs)) {
    const pid = (await readSlot(client, source))?.activePid;
    if (pid === undefined) return ended.size;
    if (performance.now() > deadline) {
      throw sqlStateError("55006", `Slot ${source.slot} is read by process ${pid}, which does not end.`);
    }
    if (ended.has(pid)) continue;
    // Both in one statement: by the time it runs, the process may be another's.
    await client.query(
      "select pg_catalog.pg_terminate_backend(active_pid) from pg_catalog.pg_replication_slots where slot_name = $1 and active_pid = $2",
      [source.slot, pid],
    );
    ended.add(pid);
  }
}
