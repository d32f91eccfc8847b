import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { EventPredicate } from "../subscription/match-event.ts";
import { laneIdOf } from "./delivery-plan.ts";
import type { DeliveryState } from "./delivery-state.ts";
import type { DeliveryStore, Parking } from "./delivery-store.ts";
import { bytesOf } from "./pending-event.ts";
import type { RunnerParts } from "./runner-parts.ts";

const windowBytes = 16 * 1_048_576;
/** Events from the first one that has not ended on: what one event that hangs may hold up. */
const windowSpan = 100_000;
const pageBytes = 4 * 1_048_576;
const pageEvents = 512;
/** A page is read when there is room for so many events: not for each that has ended. */
const leastPageEvents = 256;
/** Lanes that memory may know as parked. While more are, no event is read that might have to wait behind one of them. */
export const mostParkedLanes = 20_000;

/**
 * Reads the log ahead of the pushes, within bounds, a page at a time: matching events go into their lanes; those whose lane
 * is parked are parked behind it.
 */
export class LogFiller {
  readonly #parts: Pick<RunnerParts, "log">;
  readonly #subscription: Subscription;
  readonly #matches: EventPredicate;
  readonly #state: DeliveryState;
  readonly #store: DeliveryStore;
  #reading = false;
  #mayHaveMore = true;

  constructor(
    parts: Pick<RunnerParts, "log">,
    subscription: Subscription,
    matches: EventPredicate,
    state: DeliveryState,
    store: DeliveryStore,
  ) {
    this.#parts = parts;
    this.#subscription = subscription;
    this.#matches = matches;
    this.#state = state;
    this.#store = store;
  }

  /** The log may have grown. */
  noteAppend(): void {
    this.#mayHaveMore = true;
  }

  /** A replay has read all that it is to deliver. */
  get isAtEnd(): boolean {
    const { plan, window } = this.#state;
    return plan.upTo !== undefined && window.scannedTo >= plan.upTo;
  }

  /** Whether a page should be read now. */
  get wants(): boolean {
    const { plan, window, parked } = this.#state;
    if (this.#reading || !this.#mayHaveMore || this.isAtEnd) return false;
    if (plan.order !== "none" && parked.size >= mostParkedLanes) return false;
    return (
      plan.windowEvents - window.size >= leastPageEvents &&
      window.bytes < windowBytes &&
      window.span < windowSpan
    );
  }

  /** Reads a page. Throws what the log throws; then nothing has changed. */
  async fill(): Promise<void> {
    const { plan, window } = this.#state;
    this.#reading = true;
    this.#mayHaveMore = false;
    try {
      const after = window.scannedTo;
      const page = await this.#parts.log.read({
        after,
        ...(plan.upTo === undefined ? {} : { upTo: plan.upTo }),
        types: this.#subscription.types,
        typePrefixes: this.#subscription.typePrefixes,
        limit: Math.min(pageEvents, plan.windowEvents - window.size),
        maxBytes: Math.min(pageBytes, windowBytes - window.bytes),
      });
      this.#take(page.events);
      window.scanned(page.scannedTo);
      if (page.scannedTo > after) this.#mayHaveMore = true;
    } catch (error) {
      this.#mayHaveMore = true;
      throw error;
    } finally {
      this.#reading = false;
    }
  }

  #take(events: readonly LogEvent[]): void {
    const { plan, fresh, parked, window } = this.#state;
    const behind: { parking: Parking; slot: ReturnType<typeof window.begin> }[] = [];
    for (const event of events) {
      if (!this.#matches(event)) continue;
      const laneId = laneIdOf(plan.order, event);
      const bytes = bytesOf(event);
      const slot = window.begin(event.seq, bytes);
      if (parked.has(laneId)) {
        const { seq, key } = event;
        const parking = { seq, laneId, key, attempts: 0, dueAtMs: 0, failure: undefined };
        behind.push({ parking, slot });
      } else {
        const waiting = { lane: undefined, next: undefined, parked: undefined, alone: false };
        fresh.add({ event, bytes, laneId, slot, ...waiting });
      }
    }
    if (behind.length === 0) return;
    this.#store.park(
      behind.map(({ parking }) => parking),
      () => {
        for (const { slot } of behind) window.end(slot);
      },
    );
  }
}
