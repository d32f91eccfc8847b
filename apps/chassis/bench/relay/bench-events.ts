import { createEventId } from "../../src/outbox/event-id.ts";
import type { BenchEvent } from "../peers/peer.ts";

/** Keys that events are spread over, evenly and in turn. */
export const keyCount = 10_000;

/** So many new events, with places in their keys that go on from `first`. */
export function createBenchEvents(count: number, first = 0): readonly BenchEvent[] {
  return Array.from({ length: count }, (_, index) => createBenchEvent(first + index));
}

/** The event at a place of the whole run. */
export function createBenchEvent(place: number): BenchEvent {
  const key = place % keyCount;
  return {
    id: createEventId(),
    key: `customer-${String(key).padStart(6, "0")}`,
    seq: Math.floor(place / keyCount) + 1,
    order: {
      orderId: `order-${String(place).padStart(9, "0")}`,
      customerId: `customer-${String(key).padStart(6, "0")}`,
      currency: "EUR",
      totalCents: String(1_000 + ((place * 7) % 90_000)),
      placeTime: "2026-11-20T08:15:30.123456Z",
      lines: [
        { sku: "espresso-machine-silver", quantity: 1, priceCents: "49900" },
        { sku: "filter-paper-size-4", quantity: 3, priceCents: "349" },
      ],
      note: "Leave it with the neighbour on the second floor, please.",
    },
  };
}
