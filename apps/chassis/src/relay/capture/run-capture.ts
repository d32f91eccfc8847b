import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { outboxPublication } from "../../outbox/outbox-ddl.ts";
import { formatPosition } from "../../position/position.ts";
import type { EventLog } from "../log/event-log.ts";
import type { CapturedEvent } from "../log/log-event.ts";
import { captureFault } from "../replication/capture-fault.ts";
import { ensureSlot, readSlotState, recreateSlot } from "../replication/ensure-slot.ts";
import {
  type CapturedTransaction,
  openTransactionStream,
  type ReplicationSource,
  type TransactionStream,
} from "../replication/read-transactions.ts";
import { repairFromTable } from "./repair-from-table.ts";

/** One outbox to be captured. */
export interface OutboxSource {
  readonly name: "main" | "events";
  readonly url: string;
  /** Name of the logical slot: one per outbox and deployment. */
  readonly slot: string;
}

const firstPauseMs = 100;
const longestPauseMs = 2_000;
const batchTransactions = 500;

/**
 * Keeps an outbox flowing into the log until the signal aborts. Every fault is waited out and tried again; a slot that
 * is new or lost is followed by a repair from the table, so nothing depends on the slot's memory.
 *
 * States: connecting → (slot new or lost: repairing →) streaming → (fault) pausing → connecting.
 */
export async function runCapture(
  source: OutboxSource,
  log: EventLog,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    try {
      await captureOnce(source, log, logger, signal, () => {
        pauseMs = firstPauseMs;
      });
    } catch (error) {
      if (signal.aborted) return;
      const reason =
        error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : error;
      logger.warn(
        { fault: captureFault(error), reason, pauseMs },
        `capture of ${source.name} stopped; trying again`,
      );
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(longestPauseMs, pauseMs * 2);
  }
}

async function captureOnce(
  source: OutboxSource,
  log: EventLog,
  logger: Logger,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const replication: ReplicationSource = {
    url: source.url,
    slot: source.slot,
    publication: outboxPublication,
  };
  await makeSlot(source, replication, log, logger);
  await using stream = await openTransactionStream(replication, {
    signal,
    onWarning: (message) => logger.warn(message),
  });
  if (await log.needsRepair(source.name, stream.systemId)) {
    const count = await repairFromTable(source, stream, log, signal);
    if (count > 0) logger.warn({ count }, `repaired ${source.name} from its outbox table`);
    await log.endRepair(source.name, stream.systemId);
  }
  logger.info(`capturing ${source.name} from slot ${source.slot}`);
  for await (const first of stream) {
    await appendBatch(source, stream, log, [first, ...stream.takeReceived(batchTransactions)]);
    onProgress();
  }
}

/** A slot that has to be made brings nothing of before: that a repair is due is noted first, so that no crash forgets it. */
async function makeSlot(
  source: OutboxSource,
  replication: ReplicationSource,
  log: EventLog,
  logger: Logger,
): Promise<void> {
  const state = await readSlotState(replication);
  if (state === "ok") return;
  await log.beginRepair(source.name);
  if (state === "missing") {
    await ensureSlot(replication);
    return;
  }
  logger.error(`slot ${source.slot} is lost; making a new one and repairing from the table`);
  await recreateSlot(replication);
}

async function appendBatch(
  source: OutboxSource,
  stream: TransactionStream,
  log: EventLog,
  transactions: readonly CapturedTransaction[],
): Promise<void> {
  const last = transactions.at(-1);
  if (last === undefined) return;
  await log.append(transactions.flatMap((transaction) => toEvents(source, stream, transaction)));
  stream.acknowledge(last.commitEndLsn);
}

function toEvents(
  source: OutboxSource,
  stream: TransactionStream,
  transaction: CapturedTransaction,
): CapturedEvent[] {
  const { systemId, timeline } = stream;
  const position =
    source.name === "main"
      ? formatPosition({ systemId, timeline, lsn: transaction.commitEndLsn })
      : undefined;
  return transaction.rows.map(({ values }) => ({
    source: source.name,
    eventId: values["id"] ?? "",
    type: values["type"] ?? "",
    key: values["aggregateid"] ?? "",
    payload: values["payload"] ?? "null",
    causationId: values["causationid"] ?? undefined,
    correlationId: values["correlationid"] ?? undefined,
    traceparent: values["traceparent"] ?? undefined,
    committedAt: transaction.commitTime,
    position,
  }));
}
