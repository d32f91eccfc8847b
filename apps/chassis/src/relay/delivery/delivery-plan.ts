import { durationMs } from "@bufbuild/protobuf/wkt";
import { ContentMode, DeliveryOrder } from "../../gen/quartet/v1/options_pb.ts";
import { AttemptLog, type Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { LogEvent } from "../log/log-event.ts";
import { type DeliverySettings, deliverySettings } from "../push/backoff.ts";
import type { TakeLimits } from "./event-lanes.ts";

/** Which events wait for which others: those of one lane. */
export type LaneOrder = "key" | "none" | "total";

/** How a subscription delivers, with every default in place. */
export interface DeliveryPlan {
  /** Of its row: what is stored of its progress is stored under it. */
  readonly name: string;
  /** The name that subscribers, dead letters and claims know: a replay's is that of what it replays. */
  readonly publicName: string;
  readonly order: LaneOrder;
  readonly concurrency: number;
  readonly limits: TakeLimits;
  /** How long a push that is not full waits for more events. */
  readonly maxWaitMs: number;
  /** Events a second; 0: no limit. */
  readonly rate: number;
  readonly settings: DeliverySettings;
  readonly logsAll: boolean;
  readonly replies: boolean;
  /** The last sequence of a replay. */
  readonly upTo: bigint | undefined;
  /** Events that may be pending at once. */
  readonly windowEvents: number;
}

const defaultConcurrency = 16;
const defaultBatchEvents = 100;
/** A body of this size is read by any receiver; more events a body win nothing beyond it. */
const batchBytes = 1_048_576;
const leastWindowEvents = 1_024;
const mostWindowEvents = 4_096;

export function planDelivery(subscription: Subscription): DeliveryPlan {
  const { name, replayOf, batch, mode, replies } = subscription;
  const concurrency = subscription.concurrency || defaultConcurrency;
  const order = orderOf(subscription.order);
  // An answer to several events does not say which of them it answers.
  const batched = mode === ContentMode.BATCH && !replies;
  const events = batched ? batch?.maxEvents || defaultBatchEvents : 1;
  return {
    name,
    publicName: replayOf || name,
    order,
    concurrency: order === "total" ? 1 : concurrency,
    limits: { events, bytes: batchBytes },
    maxWaitMs: batched && batch?.maxWait !== undefined ? durationMs(batch.maxWait) : 0,
    rate: subscription.rate,
    settings: deliverySettings(subscription.delivery),
    logsAll: subscription.attemptLog === AttemptLog.ALL,
    replies,
    upTo: replayOf === "" ? undefined : subscription.untilSequence,
    windowEvents: Math.min(mostWindowEvents, Math.max(leastWindowEvents, 2 * events * concurrency)),
  };
}

function orderOf(order: DeliveryOrder): LaneOrder {
  if (order === DeliveryOrder.NONE) return "none";
  return order === DeliveryOrder.TOTAL ? "total" : "key";
}

/** The lane of an event. */
export function laneIdOf(order: LaneOrder, event: Pick<LogEvent, "seq" | "key">): string {
  if (order === "key") return event.key;
  return order === "none" ? event.seq.toString() : "";
}

/** The same for a row of `delivery_parked`. */
export function laneSql(order: LaneOrder): string {
  if (order === "key") return "key";
  return order === "none" ? "seq::text" : "''";
}
