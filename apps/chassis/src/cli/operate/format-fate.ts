import { timestampDate } from "@bufbuild/protobuf/wkt";
import { formatColumns } from "../../cluster/format-columns.ts";
import {
  DeliveryState,
  type EventDeliveries,
  type EventDelivery,
  type GetOperationDeliveriesResponse,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import { printable } from "./print-rows.ts";

/** How far the events of an operation are, for people: an event, and under it a line for each subscription. */
export function formatFate({ events, truncated }: GetOperationDeliveriesResponse): string {
  if (events.length === 0) return "no event of it is in the log yet";
  const rows = events.flatMap((event) => [headOf(event), ...event.deliveries.map(formatDelivery)]);
  const table = formatColumns([["EVENT", "STATE", "DETAILS"], ...rows]);
  return truncated ? `${table}\nthere were too many events in that millisecond: some may be missing` : table;
}

function headOf({ eventType, eventKey, eventId, sequence }: EventDeliveries): string[] {
  return [eventType, `#${sequence}`, printable(`key ${eventKey}, id ${eventId}`)];
}

function formatDelivery(delivery: EventDelivery): string[] {
  return [`  ${delivery.subscription}`, stateNames[delivery.state] ?? "", printable(describe(delivery))];
}

const stateNames: Readonly<Record<DeliveryState, string>> = {
  [DeliveryState.UNSPECIFIED]: "",
  [DeliveryState.WAITING]: "waiting",
  [DeliveryState.DELIVERED]: "delivered",
  [DeliveryState.PARKED]: "parked",
  [DeliveryState.DEAD]: "dead",
};

function describe({ state, attempts, lastStatus, lastAnswer, destination, ...ends }: EventDelivery): string {
  if (state === DeliveryState.PARKED && attempts === 0) return "behind another of its key, or not tried yet";
  if (state !== DeliveryState.PARKED && state !== DeliveryState.DEAD) return "";
  const answer = `${lastStatus || "no answer"} ${lastAnswer.slice(0, 120)} (${destination})`;
  const tried = `${attempts} ${attempts === 1 ? "attempt" : "attempts"}: ${answer}`;
  if (state === DeliveryState.DEAD) return `${tried}; dead letter ${ends.deadLetterId}`;
  return ends.dueTime === undefined
    ? tried
    : `${tried}; again at ${timestampDate(ends.dueTime).toISOString()}`;
}
