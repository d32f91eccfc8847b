import type { PoolClient } from "pg";
import { claimEvent } from "../../inbox/claim-event.ts";
import { appendEvents } from "../../outbox/append-events.ts";
import type { OutboxEvent } from "../../outbox/outbox-event.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import type { PushFailure } from "../push/push-outcome.ts";
import type { AttemptRecord } from "./attempts.ts";
import { type Burial, buryEvents } from "./bury-event.ts";
import type { CursorFence } from "./cursor.ts";
import type { DeliveryPlan } from "./delivery-plan.ts";
import { type ParkedRow, type RetriedRows, storeRetried, type WantedLane } from "./parked-events.ts";
import type { RunnerParts } from "./runner-parts.ts";

/** What a push came to, of events of one lane, as it is to be stored: all of it or nothing. */
export interface Settlement {
  /** Parked events that are delivered or dead. */
  readonly removed: readonly bigint[];
  readonly postponed?: Postponement;
  readonly burials?: readonly Burial[];
  readonly publication?: Publication;
  readonly wanted?: WantedLane;
  /** Is called when it is stored, with what is next in the wanted lane. */
  readonly done: (next: readonly ParkedRow[]) => void;
}

/** A parked event that failed once more. */
export interface Postponement {
  readonly seq: bigint;
  readonly attempts: number;
  readonly dueAtMs: number;
  readonly failure: PushFailure;
}

/** The events that answered an event: published once, however often it is pushed. */
export interface Publication {
  readonly causeId: string;
  readonly events: readonly OutboxEvent[];
}

/** Whether one statement stores it, with many others. */
export function isSimple({ burials, publication }: Settlement): boolean {
  return burials === undefined && publication === undefined;
}

/** What becomes of the parked rows. */
export function mergeSettlements(settlements: readonly Settlement[]): RetriedRows {
  const nowMs = performance.now();
  return {
    removed: settlements.flatMap(({ removed }) => removed),
    postponed: settlements.flatMap(({ postponed }) =>
      postponed === undefined ? [] : [{ ...postponed, dueInMs: Math.max(0, postponed.dueAtMs - nowMs) }],
    ),
    wanted: settlements.flatMap(({ wanted }) => wanted ?? []),
  };
}

/**
 * Stores settlements in one transaction: attempts, the end of parking, replies with their claims, dead letters.
 *
 * @throws QuartetError `lease_lost`.
 */
export function storeSettlements(
  { pool, domain }: Pick<RunnerParts, "pool" | "domain">,
  plan: DeliveryPlan,
  fence: CursorFence,
  settlements: readonly Settlement[],
  attempts: readonly AttemptRecord[],
): Promise<readonly ParkedRow[]> {
  const publications = settlements.flatMap(({ publication }) => publication ?? []);
  const burials = settlements.flatMap(({ burials = [] }) => burials);
  return runTransaction(pool, async (client) => {
    const next = await storeRetried(client, fence, mergeSettlements(settlements), attempts);
    await publish(client, plan.publicName, publications);
    await buryEvents(client, domain, plan, burials);
    return next;
  });
}

/** Claims go in one order for all, so that a replay of the same events and the live one never lock each other out. */
async function publish(
  client: PoolClient,
  subscription: string,
  publications: readonly Publication[],
): Promise<void> {
  const fresh: Publication[] = [];
  for (const publication of publications.toSorted((one, other) => (one.causeId < other.causeId ? -1 : 1))) {
    if (await claimEvent(client, `reply/${subscription}`, publication.causeId)) fresh.push(publication);
  }
  await appendEvents(
    client,
    fresh.flatMap(({ events }) => events),
  );
}
