import type { DeliveryPlan } from "./delivery-plan.ts";
import { DeliveryWindow } from "./delivery-window.ts";
import { EventLanes } from "./event-lanes.ts";
import { ParkedLanes } from "./parked-lanes.ts";

/** All that a run keeps in memory of a subscription's events. */
export interface DeliveryState {
  readonly plan: DeliveryPlan;
  /** Events of the log that were never parked. */
  readonly fresh: EventLanes;
  /** Parked events that are to be tried again. */
  readonly retries: EventLanes;
  readonly parked: ParkedLanes;
  readonly window: DeliveryWindow;
}

export function createDeliveryState(plan: DeliveryPlan, cursor: bigint): DeliveryState {
  return {
    plan,
    fresh: new EventLanes(),
    retries: new EventLanes(),
    parked: new ParkedLanes(),
    window: new DeliveryWindow(cursor),
  };
}
