import type { Pool, PoolClient } from "pg";
import { toQuartetError } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { runBegunTransaction } from "../sql/run-transaction.ts";
import type { ClaimStatement } from "./begin-with-claims.ts";
import { ConnectionLoan } from "./connection-loan.ts";
import type { EventOutcome } from "./event-outcome.ts";
import type { InboxEvent, InboxKey } from "./inbox-event.ts";

/** How the events of an inbox have their effects. */
export interface EffectSettings {
  readonly pool: Pool;
  readonly claim: ClaimStatement;
  /** The effects of new events, in order, in the transaction of their claims. */
  effect(loan: ConnectionLoan, events: readonly InboxEvent[]): Promise<void>;
  /** Told of each failure, with what was thrown; of a statement that came late, with the event if it can be but one's. */
  onError(error: unknown, event: InboxEvent | undefined): void;
}

/** An event that waits for its effect. */
export interface WaitingEvent {
  readonly event: InboxEvent;
  readonly inboxKey: InboxKey;
  /** Keys of its push of which an event has failed: none behind it may have its effect. */
  readonly failedKeys: Set<string>;
  settle(outcome: EventOutcome): void;
}

/**
 * Gives events their effects in one transaction, and settles each. When that fails, it is undone, and each event gets a
 * transaction of its own, in order; so one bad event spoils nothing for the others.
 *
 * `unavailable` is not tried again one by one: who is away for one is away for all. A COMMIT of which nothing was heard
 * is `unavailable` too; when it was done after all, the events that come again find their claims.
 */
export async function settleGroup(settings: EffectSettings, group: readonly WaitingEvent[]): Promise<void> {
  const waiting = group.filter((each) => !settleTooEarly(each));
  if (waiting.length === 0) return;
  try {
    await commitTogether(settings, waiting);
    for (const each of waiting) each.settle("done");
  } catch (error) {
    if (waiting.length === 1 || endsGroup(error))
      for (const each of waiting) settleFailed(settings, each, error);
    else await settleOneByOne(settings, waiting);
  }
}

async function settleOneByOne(settings: EffectSettings, waiting: readonly WaitingEvent[]): Promise<void> {
  let fault: unknown;
  for (const each of waiting) {
    if (settleTooEarly(each)) continue;
    try {
      if (fault !== undefined) throw fault;
      await commitTogether(settings, [each]);
      each.settle("done");
    } catch (error) {
      if (endsGroup(error)) fault = error;
      settleFailed(settings, each, error);
    }
  }
}

function endsGroup(error: unknown): boolean {
  return (
    error instanceof QuartetError && (error.code === "unavailable" || error.code === "deadline_exceeded")
  );
}

function commitTogether(settings: EffectSettings, waiting: readonly WaitingEvent[]): Promise<void> {
  return runBegunTransaction(
    settings.pool,
    (client) => settings.claim.begin(client, waiting),
    async (client, claimed) => {
      if (claimed.length > 0) await haveEffects(settings, client, claimed);
    },
  );
}

async function haveEffects(
  { effect, onError }: EffectSettings,
  client: PoolClient,
  claimed: readonly WaitingEvent[],
): Promise<void> {
  const events = claimed.map(({ event }) => event);
  const loan = new ConnectionLoan(client, (error) =>
    onError(error, events.length > 1 ? undefined : events[0]),
  );
  try {
    await effect(loan, events);
  } finally {
    loan.end();
  }
}

function settleTooEarly({ failedKeys, event, settle }: WaitingEvent): boolean {
  if (!failedKeys.has(event.key)) return false;
  settle("too_early");
  return true;
}

function settleFailed(settings: EffectSettings, { event, failedKeys, settle }: WaitingEvent, error: unknown) {
  failedKeys.add(event.key);
  settings.onError(error, event);
  settle(toQuartetError(error));
}
