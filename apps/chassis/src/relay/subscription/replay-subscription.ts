import { randomBytes } from "node:crypto";
import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { checkRate } from "./check-subscription.ts";
import { insertSubscription } from "./create-subscription.ts";
import { findStart, type LogEnds, type SubscriptionStart } from "./start-sequence.ts";
import { refuseFaults } from "./subscription-fault.ts";
import { lockSubscription } from "./subscription-table.ts";

/** What of the log is delivered again. */
export interface ReplayRange {
  readonly start: SubscriptionStart;
  /** The last sequence. Undefined: the newest one now. */
  readonly until?: bigint | undefined;
  /** Events a second, at most. Undefined: as the subscription. 0: no limit. */
  readonly rate?: number | undefined;
}

/**
 * Delivers a part of the log to a subscription again, while the live one goes on untouched: a row of its own with a cursor
 * of its own, which ends with that part. It takes the settings as they are now.
 *
 * @returns the replay, whose name is that of the subscription, `~`, and a short id
 * @throws QuartetError `not_found`; `invalid_argument`; `failed_precondition` for a replay, and when there is nothing to
 * be delivered.
 */
export async function replaySubscription(
  pool: Pool,
  log: LogEnds,
  name: string,
  { start, until, rate }: ReplayRange,
): Promise<Subscription> {
  const cursor = await findStart(log, start);
  const head = (await log.readHead()).seq;
  const last = until === undefined || until > head ? head : until;
  refuseFaults(checkRate(rate ?? 0));
  if (cursor >= last) throw nothingToReplay(cursor, last);
  return runTransaction(pool, async (client) => {
    const live = await lockSubscription(client, name);
    if (live.replayOf !== "") throw ofReplay(live);
    const { $typeName, $unknown, declared, paused, pauseReason, ...settings } = live;
    const replay = {
      ...settings,
      name: `${name}~${randomBytes(4).toString("hex")}`,
      replayOf: name,
      untilSequence: last,
      rate: rate ?? live.rate,
    };
    return insertSubscription(client, replay, cursor);
  });
}

function nothingToReplay(cursor: bigint, last: bigint): QuartetError {
  return new QuartetError(
    "failed_precondition",
    `From there the log has the sequences after ${cursor}, and the last to be delivered is ${last}: there are none.`,
    { field: "until_sequence", fix: "Begin earlier, or end later." },
  );
}

function ofReplay({ name, replayOf }: Subscription): QuartetError {
  return new QuartetError("failed_precondition", `${name} is a replay itself.`, {
    field: "name",
    fix: `Replay ${replayOf}.`,
  });
}
