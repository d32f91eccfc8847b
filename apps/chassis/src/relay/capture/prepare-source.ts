import type { Logger } from "pino";
import type { CaptureState, EventLog, SourceFence } from "../log/event-log.ts";
import type { RelayObserver } from "../relay-observer.ts";
import { ensureSlot, recreateSlot } from "../replication/ensure-slot.ts";
import { freeSlot } from "../replication/free-slot.ts";
import { withSourceClient } from "../replication/source-client.ts";
import type { CaptureStopPoints } from "./capture-stop-points.ts";
import { type Inspection, inspectSource, type RepairVerdict } from "./inspect-source.ts";
import { type OutboxSource, replicationOf } from "./outbox-source.ts";
import { repairFromTable } from "./repair-from-table.ts";
import { mayHaveLost, repairReasons } from "./repair-reason.ts";

/** What an outbox is prepared with. */
export interface PrepareParts {
  readonly source: OutboxSource;
  readonly log: EventLog;
  readonly fence: SourceFence;
  readonly observer: RelayObserver;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly stopPoints: CaptureStopPoints;
}

const inspectStatementMs = 10_000;
/** A reader that was told to end does so within some ms, unless its process is stopped. */
const freeSlotMs = 2_000;

/**
 * Takes an outbox for the holder of its lease, ends a former holder's reading of its slot, and repairs what the WAL from
 * here on would not bring. After it the slot is there and log and slot fit together.
 *
 * @param skipped events are known to be missing from what the slot streams, so it has to be made anew
 * @throws QuartetError `lease_lost`; `unavailable` for whatever may pass; `failed_precondition` for what somebody must mend.
 */
export async function prepareSource(parts: PrepareParts, skipped: boolean): Promise<CaptureState> {
  const { source, log, fence, signal, logger } = parts;
  const replication = replicationOf(source);
  const state = await log.takeSource(fence);
  const inspection = await withSourceClient(
    replication,
    async (client) => {
      const found = await inspectSource(client, replication, state);
      const ended = await freeSlot(client, replication, freeSlotMs);
      if (ended > 0) logger.info(`ended a former reader of slot ${source.slot}`);
      return found;
    },
    { signal, statementTimeoutMs: inspectStatementMs },
  );
  const { verdict, slot } = skipped ? withoutSkipped(inspection) : inspection;
  if (verdict.kind === "ok") return state;
  await repairSource(parts, state, verdict, slot);
  return log.takeSource(fence);
}

function withoutSkipped({ facts, verdict }: Inspection): Inspection {
  const { publicationMissing: reason } = repairReasons;
  if (verdict.kind === "repair") return { facts, verdict, slot: "lost" };
  return { facts, verdict: { kind: "repair", reason, logWasRestored: false }, slot: "lost" };
}

/** That a repair is due is noted first, and forgotten last: whatever dies in between, the next one begins again. */
async function repairSource(
  parts: PrepareParts,
  state: CaptureState,
  verdict: RepairVerdict,
  slot: Inspection["slot"],
): Promise<void> {
  const { source, log, fence, signal, logger, observer, stopPoints } = parts;
  const { reason } = verdict;
  const logWasRestored = verdict.logWasRestored || (source.holdsLog === true && mayHaveLost(reason));
  logger.warn({ reason, logWasRestored }, `repairing ${source.name} from its outbox table`);
  await log.beginRepair(fence, reason, logWasRestored);
  if (slot === "lost") await recreateSlot(replicationOf(source), signal);
  if (slot === "missing") await ensureSlot(replicationOf(source), signal);
  await stopPoints.slotMade?.();
  const end = await repairFromTable({ ...parts, state });
  await stopPoints.tableRepaired?.();
  await log.endRepair(fence, end);
  logger.warn({ reason, count: end.count }, `repaired ${source.name} from its outbox table`);
  observer.repaired(source.name, reason, end.count);
}
