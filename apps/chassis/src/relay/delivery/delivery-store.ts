import { QuartetError } from "../../error/quartet-error.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import type { PushFailure } from "../push/push-outcome.ts";
import { subscriptionWriter } from "../subscription/subscription-table.ts";
import type { AttemptRecord } from "./attempts.ts";
import { type CursorFence, holdFence, moveCursor, readRevision } from "./cursor.ts";
import type { DeliveryState } from "./delivery-state.ts";
import { type ParkedRow, type ParkRow, parkEvents, storeRetried } from "./parked-events.ts";
import type { RunnerParts } from "./runner-parts.ts";
import { isSimple, mergeSettlements, type Settlement, storeSettlements } from "./settlement.ts";

/** An event to be parked. */
export interface Parking {
  readonly seq: bigint;
  readonly laneId: string;
  readonly key: string;
  /** Failed ones; 0 for an event that only stands behind another. */
  readonly attempts: number;
  readonly dueAtMs: number;
  readonly failure: PushFailure | undefined;
}

interface ParkOrder {
  readonly parkings: readonly Parking[];
  readonly done: () => void;
}

/** What a store tells its run. */
export interface StoreEvents {
  /** The lease is lost, or a fault of our own was found: nothing is stored after it. */
  readonly fail: (error: unknown) => void;
  /** Somebody else has changed what is parked. */
  readonly changed: () => void;
}

const parkRows = 1_000;
const settleOrders = 200;
const transactionOrders = 50;
const faultPauseMs = 250;

/**
 * Stores what a run decides, in order, one statement or transaction at a time: what is decided while one is under way goes
 * together in the next. What cannot be stored is tried again until it can; all of it may be stored twice.
 *
 * In each round: events to be parked; parked ones that were tried again; dead letters and replies; then the cursor, when it
 * is asked for. So the cursor never passes what is not stored.
 */
export class DeliveryStore {
  readonly #parts: RunnerParts;
  readonly #state: DeliveryState;
  readonly #fence: CursorFence;
  readonly #events: StoreEvents;
  #parks: ParkOrder[] = [];
  #settlements: Settlement[] = [];
  #attempts: AttemptRecord[] = [];
  #checkpointWanted = false;
  #pauseReason: string | undefined;
  #storedCursor: bigint;
  #running: Promise<void> | undefined;
  #closed = false;
  revision: bigint;

  constructor(
    parts: RunnerParts,
    state: DeliveryState,
    fence: CursorFence,
    revision: bigint,
    events: StoreEvents,
  ) {
    this.#parts = parts;
    this.#state = state;
    this.#fence = fence;
    this.revision = revision;
    this.#events = events;
    this.#storedCursor = state.window.cursor;
  }

  /** Attempts that are recorded with the next statement. */
  get attemptsWaiting(): number {
    return this.#attempts.length;
  }

  park(parkings: readonly Parking[], done: () => void): void {
    for (const { laneId } of parkings) this.#state.parked.storing(laneId);
    this.#parks.push({ parkings, done });
    this.#start();
  }

  settle(settlement: Settlement): void {
    this.#settlements.push(settlement);
    this.#start();
  }

  attempted(record: AttemptRecord): void {
    this.#attempts.push(record);
  }

  /** Moves the cursor when it can be moved, and looks at its revision. */
  checkpoint(): void {
    this.#checkpointWanted = true;
    this.#start();
  }

  /** Pauses the subscription, for a reason that people are told. */
  pause(reason: string): void {
    this.#pauseReason = reason;
    this.#start();
  }

  /** Resolves when all that was ordered is stored, or nothing is to be stored any more. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Stores nothing more. */
  close(): void {
    this.#closed = true;
    this.#parks = [];
    this.#settlements = [];
    this.#attempts = [];
    this.#checkpointWanted = false;
    this.#pauseReason = undefined;
  }

  #start(): void {
    if (this.#closed || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork) this.#start();
    });
  }

  get #hasWork(): boolean {
    if (this.#checkpointWanted || this.#pauseReason !== undefined) return true;
    return this.#parks.length > 0 || this.#settlements.length > 0;
  }

  async #run(): Promise<void> {
    while (this.#hasWork && !this.#closed) {
      try {
        await this.#round();
      } catch (error) {
        if (this.#closed) return;
        if (isLeaseLost(error)) return this.#stop(error);
        // The database, or the way to it: whatever it is, pushing again would not mend it.
        this.#warn(error);
        await new Promise((resolve) => setTimeout(resolve, faultPauseMs));
      }
    }
  }

  #stop(error: unknown): void {
    if (this.#closed) return;
    this.close();
    this.#events.fail(error);
  }

  /** What is no statement: a fault in it is our own, and would come again. */
  #note(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#stop(error);
    }
  }

  #warn(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const { logger } = this.#parts;
    logger.warn({ subscription: this.#fence.subscription, reason }, "could not store progress; trying again");
  }

  async #round(): Promise<void> {
    if (this.#parks.length > 0) await this.#storeParks();
    const simple = this.#settlements.filter(isSimple).slice(0, settleOrders);
    if (simple.length > 0) await this.#storeSimple(simple);
    const others = this.#settlements.filter((order) => !isSimple(order)).slice(0, transactionOrders);
    if (others.length > 0) await this.#storeOthers(others);
    if (this.#checkpointWanted) await this.#storeCursor();
    if (this.#pauseReason !== undefined) await this.#storePause(this.#pauseReason);
  }

  async #storeParks(): Promise<void> {
    const orders = takeOrders(this.#parks, parkRows);
    const rows = orders.flatMap(({ parkings }) => parkings);
    const heads = this.#findHeads(rows);
    await this.#withAttempts((attempts) =>
      parkEvents(this.#parts.pool, this.#fence, toParkRows(rows, heads), attempts),
    );
    this.#parks.splice(0, orders.length);
    this.#note(() => {
      this.#parts.onPoint?.("parked");
      for (const row of rows) this.#state.parked.stored(row.laneId, heads.has(row) ? row : undefined);
      for (const { done } of orders) done();
    });
  }

  /** The first of each lane among the rows, where it comes before all that is known to be parked. */
  #findHeads(rows: readonly Parking[]): ReadonlySet<Parking> {
    const first = new Map<string, Parking>();
    for (const row of rows) {
      const known = first.get(row.laneId);
      if (known === undefined || row.seq < known.seq) first.set(row.laneId, row);
    }
    const heads = [...first.values()];
    return new Set(heads.filter(({ laneId, seq }) => this.#state.parked.isHead(laneId, seq)));
  }

  async #storeSimple(orders: readonly Settlement[]): Promise<void> {
    const rows = await this.#withAttempts((attempts) =>
      storeRetried(this.#parts.pool, this.#fence, mergeSettlements(orders), attempts),
    );
    this.#finish(orders, rows);
  }

  async #storeOthers(orders: readonly Settlement[]): Promise<void> {
    const { plan } = this.#state;
    const rows = await this.#withAttempts((attempts) =>
      storeSettlements(this.#parts, plan, this.#fence, orders, attempts),
    );
    this.#finish(orders, rows);
  }

  #finish(orders: readonly Settlement[], rows: readonly ParkedRow[]): void {
    const finished = new Set(orders);
    this.#settlements = this.#settlements.filter((order) => !finished.has(order));
    const byLane = Map.groupBy(rows, (row) => row.laneId);
    this.#note(() => {
      this.#parts.onPoint?.("settled");
      for (const { wanted, done } of orders) {
        done(wanted === undefined ? [] : (byLane.get(wanted.laneId) ?? []));
      }
    });
  }

  async #storeCursor(): Promise<void> {
    this.#note(() => this.#parts.onPoint?.("checkpoint"));
    if (this.#closed) return;
    const { cursor } = this.#state.window;
    const hasNews = cursor > this.#storedCursor || this.#attempts.length > 0;
    const revision = hasNews
      ? await this.#withAttempts((attempts) => moveCursor(this.#parts.pool, this.#fence, cursor, attempts))
      : await readRevision(this.#parts.pool, this.#fence);
    this.#checkpointWanted = false;
    this.#storedCursor = cursor;
    if (revision === this.revision) return;
    this.revision = revision;
    this.#events.changed();
  }

  /** The fence first, as whoever deletes the subscription locks it. */
  async #storePause(reason: string): Promise<void> {
    await runTransaction(this.#parts.pool, async (client) => {
      await holdFence(client, this.#fence, "share");
      await subscriptionWriter(client).update(this.#fence.subscription, (draft) => {
        draft.paused = true;
        draft.pauseReason = reason;
      });
    });
    this.#pauseReason = undefined;
  }

  /** Attempts go with whatever is stored next, and wait for the next statement when that fails. */
  async #withAttempts<T>(store: (attempts: readonly AttemptRecord[]) => Promise<T>): Promise<T> {
    const attempts = this.#attempts;
    this.#attempts = [];
    try {
      return await store(attempts);
    } catch (error) {
      this.#attempts = [...attempts, ...this.#attempts];
      throw error;
    }
  }
}

export function isLeaseLost(error: unknown): boolean {
  return error instanceof QuartetError && error.code === "lease_lost";
}

function takeOrders(orders: readonly ParkOrder[], rows: number): readonly ParkOrder[] {
  let count = 0;
  const end = orders.findIndex(({ parkings }) => {
    count += parkings.length;
    return count >= rows;
  });
  return end < 0 ? orders.slice() : orders.slice(0, end + 1);
}

function toParkRows(rows: readonly Parking[], heads: ReadonlySet<Parking>): ParkRow[] {
  const nowMs = performance.now();
  return rows.map((row) => ({ ...row, head: heads.has(row), dueInMs: Math.max(0, row.dueAtMs - nowMs) }));
}
