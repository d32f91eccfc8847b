import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";

/** What is still under way. */
export interface Unrest {
  /** Events of the outboxes that are neither in the log nor delayed. */
  readonly unlogged: number;
  /** Events of the log that the slowest subscription has not passed. */
  readonly undelivered: number;
  readonly parked: number;
  /** Operations that have not ended. */
  readonly openOperations: number;
}

const pauseMs = 500;
/** Longest time in which nothing gets better. */
const standstillMs = 120_000;
const limitMs = 900_000;
/** Effects of the last events may publish more: quiet means quiet this often in a row. */
const quietRounds = 3;

/**
 * Waits until every event is in the log and delivered and every operation has ended, or until nothing moves any more.
 *
 * @param tell is told what is left, again and again
 * @returns what is left in the end: all zeros when it is quiet
 */
export async function awaitQuiet(
  primary: Client,
  events: Client,
  tell: (unrest: Unrest) => void,
  signal: AbortSignal,
): Promise<Unrest> {
  const untilMs = Date.now() + limitMs;
  let best = Number.POSITIVE_INFINITY;
  let bestMs = Date.now();
  for (let quiet = 0; ; ) {
    const unrest = await readUnrest(primary, events);
    tell(unrest);
    const left = Object.values(unrest).reduce((sum: number, count: number) => sum + count, 0);
    quiet = left === 0 ? quiet + 1 : 0;
    if (left < best) [best, bestMs] = [left, Date.now()];
    const standsStill = left > 0 && Date.now() - bestMs > standstillMs;
    if (quiet === quietRounds || standsStill || Date.now() > untilMs) return unrest;
    await delay(pauseMs, undefined, { signal });
  }
}

async function readUnrest(primary: Client, events: Client): Promise<Unrest> {
  const main = await primary.query<{ outbox: number; open: number }>(
    `select (select count(*)::int from quartet.outbox) as outbox,
  (select count(*)::int from quartet.operation
    where state not in ('OPERATION_STATE_COMMITTED', 'OPERATION_STATE_FAILED')) as open`,
  );
  const relay = await events.query<{ outbox: number; logged: number; behind: number; parked: number }>(
    `select (select count(*)::int from quartet.outbox) as outbox,
  (select count(*)::int from quartet.event_log) + (select count(*)::int from quartet.event_log_delayed) as logged,
  (select (head.seq - min(passed.seq))::int from quartet.event_log_head head, quartet.delivery_cursor passed
    group by head.seq) as behind,
  (select count(*)::int from quartet.delivery_parked) as parked`,
  );
  const [mine] = main.rows;
  const [theirs] = relay.rows;
  if (mine === undefined || theirs === undefined)
    throw new Error("The databases did not say how far they are.");
  return {
    unlogged: mine.outbox + theirs.outbox - theirs.logged,
    undelivered: theirs.behind,
    parked: theirs.parked,
    openOperations: mine.open,
  };
}
