import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { openPool } from "../../sql/open-pool.ts";
import type { EventLog } from "../log/event-log.ts";
import { dropSegment, readLogAge, rotateLog } from "./keep-log.ts";
import { dropMonth, prepareMonths, readCaptured } from "./keep-outbox.ts";
import { pruneAttempts, pruneInbox, pruneOperations, pruneSagas } from "./prune-rows.ts";
import { releaseDelayed } from "./release-delayed.ts";
import { defaultRetention, type RetentionSettings } from "./retention-settings.ts";

/** What housekeeping works with. */
export interface HousekeepingParts {
  /** Of the events database. */
  readonly pool: Pool;
  readonly log: EventLog;
  /** Every database with an outbox. */
  readonly sources: readonly { readonly name: string; readonly url: string }[];
  readonly logger: Logger;
}

const logPauseMs = 5_000;
const upkeepPauseMs = 60_000;
const hourSeconds = 3_600;
const daySeconds = 86_400;

/**
 * Releases delayed events, and keeps log, outboxes, inboxes, operations, saga runs and attempt log from growing without end,
 * until the signal aborts. A chore that fails is logged and done again the next time.
 *
 * Two that do it at once, as after a takeover, do no harm: each chore is done by one statement that finds for itself what
 * is to be done.
 *
 * @throws what `EventLog.releaseDue` throws
 */
export async function runHousekeeping(
  parts: HousekeepingParts,
  { signal }: { readonly signal: AbortSignal },
  retention: RetentionSettings = defaultRetention,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const databases = parts.sources.map(({ name, url }) => {
    const pool = openUpkeepPool(url, parts.logger);
    stack.defer(() => pool.end());
    return { name, pool };
  });
  const chores = [
    repeat(logPauseMs, stop, () => keepLog(parts, retention, stop)),
    repeat(upkeepPauseMs, stop, () => keepAttempts(parts, retention, stop)),
    ...databases.map((database) =>
      repeat(upkeepPauseMs, stop, () => keepDatabase(parts, database, retention, stop)),
    ),
  ];
  try {
    await releaseDelayed(parts.log, stop);
  } finally {
    failed.abort();
    await Promise.all(chores);
  }
}

interface OutboxDatabase {
  readonly name: string;
  readonly pool: Pool;
}

function openUpkeepPool(url: string, logger: Logger): Pool {
  return openPool({
    url,
    applicationName: "quartet relay housekeeping",
    maxConnections: 1,
    statementTimeoutMs: 30_000,
    onIdleError: (error) => logger.debug({ reason: error.message }, "lost a connection of housekeeping"),
  });
}

/** `work` never throws. */
async function repeat(pauseMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await work();
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

async function keepLog(
  { pool, logger }: HousekeepingParts,
  retention: RetentionSettings,
  signal: AbortSignal,
): Promise<void> {
  await tryChore("begin a segment of the log", logger, async () => {
    const segment = await rotateLog(pool, retention);
    if (segment !== undefined) logger.info({ segment }, "began a segment of the log");
  });
  await tryChore("drop segments of the log", logger, async () => {
    while (!signal.aborted) {
      const segment = await dropSegment(pool, retention);
      if (segment === undefined) return;
      logger.info({ segment }, "dropped a segment of the log");
    }
  });
}

async function keepAttempts(
  { pool, logger }: HousekeepingParts,
  { attemptKeepSeconds }: RetentionSettings,
  signal: AbortSignal,
): Promise<void> {
  await tryChore("prune the attempt log", logger, async () => {
    await pruneAttempts(pool, attemptKeepSeconds, signal);
  });
}

async function keepDatabase(
  { pool: events, logger }: HousekeepingParts,
  { name, pool }: OutboxDatabase,
  retention: RetentionSettings,
  signal: AbortSignal,
): Promise<void> {
  const inboxSeconds = async () =>
    Math.max(retention.inboxKeepSeconds, (await readLogAge(events)) + daySeconds);
  await tryChore(`prune the inbox of ${name}`, logger, async () => {
    await pruneInbox(pool, await inboxSeconds(), signal);
  });
  await tryChore(`prune the operations of ${name}`, logger, async () => {
    const keepSeconds = Math.max(retention.operationKeepSeconds, (await inboxSeconds()) + hourSeconds);
    await pruneOperations(pool, keepSeconds, signal);
  });
  await tryChore(`prune the saga runs of ${name}`, logger, async () => {
    const keepSeconds = Math.max(retention.sagaKeepSeconds, (await inboxSeconds()) + hourSeconds);
    await pruneSagas(pool, keepSeconds, signal);
  });
  await tryChore(`keep the months of the outbox of ${name}`, logger, async () => {
    await prepareMonths(pool, retention);
    const captured = await readCaptured(events, name);
    while (captured !== undefined && !signal.aborted) {
      const month = await dropMonth(pool, captured);
      if (month === undefined) return;
      logger.info({ month }, `dropped a month of the outbox of ${name}`);
    }
  });
}

async function tryChore(what: string, logger: Logger, chore: () => Promise<void>): Promise<void> {
  try {
    await chore();
  } catch (error) {
    // Locks are waited for 50 ms only: that one is not to be had is no fault.
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn({ reason }, `could not ${what}; trying again`);
  }
}
