import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type { DeadLetter } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { subscriptionReader } from "../subscription/subscription-table.ts";
import { type DeadLetterSelection, selectLetters } from "./dead-letters.ts";
import { type LaneOrder, laneSql, planDelivery } from "./delivery-plan.ts";
import { markHeads } from "./parked-events.ts";

export interface RedriveOptions {
  /** Letters a second; 0: no limit. */
  readonly ratePerSecond: number;
  /** At most so many. */
  readonly limit: number;
  /** Ends it after the letters under way. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (redriven: number) => void;
}

const redrivenAtOnce = 500;
/** At a rate: letters for about so long at once. */
const chunkSeconds = 0.25;
/** What a timer can wait for: a longer one would end at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Gives dead letters back to their subscriptions: each becomes a parked event that is due now, with its attempts still to
 * come, in order before whatever of its key has a later sequence and waits. Letters go in the order of their events, some
 * in each transaction; one that somebody else has taken meanwhile is left out, so that two redrives give each back once.
 * Those of which not even the event is known stay; and, of a filter that names no subscription, those of subscriptions that
 * are gone.
 *
 * @returns how many were given back
 * @throws QuartetError `not_found` for a subscription or a letter that there is not; letters before it are given back.
 */
export async function redriveDeadLetters(
  pool: Pool,
  selection: DeadLetterSelection,
  { ratePerSecond, limit, signal, onProgress }: RedriveOptions,
): Promise<number> {
  const atOnce =
    ratePerSecond > 0
      ? Math.min(redrivenAtOnce, Math.max(1, Math.floor(ratePerSecond * chunkSeconds)))
      : redrivenAtOnce;
  const startMs = performance.now();
  let redriven = 0;
  for await (const letters of selectLetters(pool, selection, atOnce)) {
    const known = letters.filter(({ eventId }) => eventId !== "").slice(0, limit - redriven);
    for (const [name, group] of Map.groupBy(known, ({ subscription }) => subscription)) {
      redriven += (await redriveChunk(pool, name, group)) ?? refuseGone(name, selection);
    }
    onProgress?.(redriven);
    if (redriven >= limit) break;
    const dueMs = ratePerSecond > 0 ? startMs + (redriven / ratePerSecond) * 1_000 : 0;
    const pauseMs = Math.min(longestTimerMs, Math.max(0, dueMs - performance.now()));
    await sleep(pauseMs, undefined, signal && { signal }).catch(() => undefined);
    if (signal?.aborted) break;
  }
  return redriven;
}

/** Whoever asked for all of them has not asked for those of this one, which would keep back all behind them. */
function refuseGone(subscription: string, { filter }: DeadLetterSelection): 0 {
  if (filter !== undefined && filter.subscription === undefined) return 0;
  throw noSubscription(subscription);
}

/**
 * The lock of the cursor's row makes redrives and the subscription's holder follow one another. Undefined: there is no
 * such subscription.
 */
function redriveChunk(
  pool: Pool,
  subscription: string,
  letters: readonly DeadLetter[],
): Promise<number | undefined> {
  return runTransaction(pool, async (client) => {
    const cursor = await client.query({
      name: "raise cursor revision",
      text: "update quartet.delivery_cursor set revision = revision + 1 where subscription = $1",
      values: [subscription],
    });
    const found = await subscriptionReader(client).get(subscription);
    if (cursor.rowCount !== 1 || found === undefined) return undefined;
    const ids = letters.map(({ deadLetterId }) => deadLetterId);
    return giveBack(client, subscription, planDelivery(found).order, ids);
  });
}

async function giveBack(
  client: PoolClient,
  subscription: string,
  order: LaneOrder,
  ids: readonly string[],
): Promise<number> {
  const taken = await client.query<{ lane: string }>({
    name: `give back dead letters by ${order}`,
    text: `with taken as (
  delete from quartet.dead_letter where dead_letter_id = any($2::text[]) and subscription = $1
  returning sequence as seq, event_key as key, last_status, last_answer, destination, pb
), parked as (
  insert into quartet.delivery_parked (subscription, seq, lane, key, head, due_at, last_status, last_answer,
    last_destination, letter)
  select $1, seq, ${laneSql(order)}, key, false, now(), last_status, last_answer, destination, pb from taken
  on conflict (subscription, seq) do update set letter = excluded.letter where delivery_parked.letter is null
)
select ${laneSql(order)} as lane from taken`,
    values: [subscription, ids],
  });
  const lanes = new Set(taken.rows.map(({ lane }) => lane));
  await markHeads(client, subscription, [...lanes]);
  return taken.rows.length;
}

function noSubscription(name: string): QuartetError {
  return new QuartetError(
    "not_found",
    `There is no subscription ${name} that its dead letters could be given back to.`,
    {
      field: "subscription",
      fix: `Create ${name} again (quartet subscriptions create), or discard its dead letters.`,
    },
  );
}
