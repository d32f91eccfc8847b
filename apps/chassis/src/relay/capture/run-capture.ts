import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { QuartetError } from "../../error/quartet-error.ts";
import type { Lease } from "../lease/lease.ts";
import type { CaptureState, EventLog } from "../log/event-log.ts";
import type { RelayObserver } from "../relay-observer.ts";
import { captureFault } from "../replication/capture-fault.ts";
import { openTransactionStream, type TransactionStream } from "../replication/read-transactions.ts";
import { watchProgress } from "../replication/watch-progress.ts";
import type { CaptureStopPoints } from "./capture-stop-points.ts";
import { type OutboxSource, replicationOf } from "./outbox-source.ts";
import { type PrepareParts, prepareSource } from "./prepare-source.ts";
import { streamIntoLog } from "./stream-into-log.ts";

export type { OutboxSource } from "./outbox-source.ts";

/** For tests. */
export interface CaptureOptions {
  readonly stopPoints?: CaptureStopPoints;
  /** How often what needs no append is confirmed. Default 1 s. */
  readonly confirmMs?: number;
}

const firstPauseMs = 100;
const longestPauseMs = 2_000;
/** A server that shuts down waits until all that it has sent is confirmed: it should not wait for long. */
const defaultConfirmMs = 1_000;

/** A capture between its faults. */
interface Capture extends PrepareParts {
  readonly confirmMs: number;
  pauseMs: number;
  /** The stream left out events: its publication was missing when they were written. */
  skipped: boolean;
  /** Watches over streams. Those of streams that ended end by themselves, at most 10 s later. */
  readonly watches: Set<Promise<void>>;
}

/**
 * Keeps an outbox flowing into the log until the lease's signal aborts: each event once, in commit order. Every fault is
 * waited out and tried again.
 *
 * States, and what leaves them:
 * - connecting: takes the source in the log with the lease's epoch, so that a former holder is refused there → inspecting
 * - inspecting: compares slot, server and log, and ends a former holder's reading of the slot → streaming, → repairing
 * - repairing: slot made where needed, table read, all that the log lacks appended → streaming
 * - streaming: batch received → appended → acknowledged to the slot
 * - pausing (100 ms, doubled up to 2 s, from the start again after a write): → connecting
 *
 * Any fault → pausing. Where another holder has taken the source (`lease_lost`) the signal follows; until it does, or if
 * it never does because the lease's epochs were lost, asking again does no harm. The signal → ended, from everywhere.
 */
export async function runCapture(
  source: OutboxSource,
  log: EventLog,
  lease: Lease,
  observer: RelayObserver,
  logger: Logger,
  options: CaptureOptions = {},
): Promise<void> {
  const { signal, epoch } = lease;
  const { confirmMs = defaultConfirmMs, stopPoints = {} } = options;
  const fence = { source: source.name, epoch };
  const parts = { source, log, fence, observer, logger, signal, stopPoints };
  const watches = new Set<Promise<void>>();
  const capture: Capture = { ...parts, confirmMs, pauseMs: firstPauseMs, skipped: false, watches };
  while (!signal.aborted) {
    try {
      await captureOnce(capture);
    } catch (error) {
      if (!signal.aborted) onFault(capture, error);
    }
    await delay(capture.pauseMs, undefined, { signal }).catch(() => undefined);
    capture.pauseMs = Math.min(longestPauseMs, capture.pauseMs * 2);
  }
  await Promise.all(watches);
}

async function captureOnce(capture: Capture): Promise<void> {
  const { source, logger, signal, confirmMs } = capture;
  const state = await prepareSource(capture, capture.skipped);
  capture.skipped = false;
  await using stream = await openTransactionStream(replicationOf(source), {
    signal,
    onWarning: (message) => logger.warn(message),
  });
  requireInspected(stream, state);
  logger.info(`capturing ${source.name} from slot ${source.slot}`);
  await capture.stopPoints.streaming?.();
  watch(capture, stream);
  const onProgress = () => {
    capture.pauseMs = firstPauseMs;
  };
  await streamIntoLog({ ...capture, onProgress }, stream, state, confirmMs);
}

function watch({ source, logger, signal, watches }: Capture, stream: TransactionStream): void {
  const { url, slot } = source;
  const onTrouble = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn({ reason }, `cannot emit a heartbeat in ${source.name}`);
  };
  const watching = watchProgress(stream, { url, slot, onTrouble, signal });
  watches.add(watching);
  void watching.then(() => watches.delete(watching)); // never rejects
}

/** The stream has a connection of its own, which may have reached another server than the inspection. */
function requireInspected(stream: TransactionStream, { identity }: CaptureState): void {
  if (identity?.systemId === stream.systemId && identity.timeline === stream.timeline) return;
  throw new QuartetError("unavailable", "The outbox' server was replaced between inspection and start.");
}

function onFault(capture: Capture, error: unknown): void {
  const { source, logger, pauseMs } = capture;
  if (error instanceof QuartetError && error.code === "lease_lost") {
    logger.info(`another relay has taken ${source.name}`);
    capture.pauseMs = longestPauseMs;
    return;
  }
  const fault = captureFault(error);
  if (fault === "publication_missing") capture.skipped = true;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const fix = error instanceof QuartetError ? error.fix : undefined;
  logger.warn({ fault, reason, fix, pauseMs }, `capture of ${source.name} stopped; trying again`);
}
