import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { Domain } from "../../service/domain.ts";
import type { EventLog } from "../log/event-log.ts";
import type { LogEvent } from "../log/log-event.ts";
import { readLogEvents } from "../log/postgres-log.ts";
import { backoffMs, type DeliverySettings, deliverySettings } from "../push/backoff.ts";
import { type PushSettings, type PushTarget, pushEvent } from "../push/push-event.ts";
import type { PushFailure, PushOutcome } from "../push/push-outcome.ts";
import { buryEvent } from "./bury-event.ts";
import { moveCursor, readCursor } from "./cursor.ts";
import { DeliveryWindow } from "./delivery-window.ts";
import { KeyLanes } from "./key-lanes.ts";
import { countParked, type ParkedEvent, parkEvent, readDueHeads, removeParked } from "./parked-events.ts";

/** What all subscriptions of a relay share. */
export interface RunnerParts {
  readonly pool: Pool;
  readonly log: EventLog;
  readonly domain: Domain;
  readonly push: PushSettings;
  readonly logger: Logger;
}

const windowEvents = 512;
const pageEvents = 256;
const idleMs = 500;
const checkpointMs = 200;
const parkedTickMs = 100;
/** Failures in a row of an endpoint that does not answer, after which the event itself is suspected. */
const suspectAfter = 8;
const longestAwayMs = 2_000;

/**
 * Delivers the log to one subscriber, at least once and in order per key.
 *
 * An event is, in turn: read → under way → acknowledged; or → parked (it failed; so do those behind it with its key)
 * → acknowledged, or dead when its attempts are spent. An endpoint that does not answer at all halts the subscription
 * with the events under way kept, until it answers; the event at which that happens again and again is parked.
 * The cursor passes an event only when it is acknowledged, parked in the database, or dead.
 */
export class SubscriptionRunner {
  readonly #parts: RunnerParts;
  readonly #subscription: Subscription;
  readonly #target: PushTarget;
  readonly #settings: DeliverySettings;
  readonly #lanes = new KeyLanes();
  /** Parked events of each key. Raised before one is stored and lowered after it is removed. */
  #parked = new Map<string, number>();
  #window = new DeliveryWindow(0n);
  #stored = 0n;
  #active = 0;
  #awayFailures = 0;
  #awayUntilMs = 0;
  /** How often an event's push got no answer from an endpoint that was there. Of events under way or parked. */
  readonly #suspicions = new Map<string, number>();
  #disabled = false;
  #wake = Promise.withResolvers<void>();

  constructor(parts: RunnerParts, subscription: Subscription, target: PushTarget) {
    this.#parts = parts;
    this.#subscription = subscription;
    this.#target = target;
    this.#settings = deliverySettings(subscription.delivery);
  }

  /** Runs until the signal aborts; then waits for pushes under way and stores the cursor. */
  async run(signal: AbortSignal): Promise<void> {
    const { pool } = this.#parts;
    const { name } = this.#subscription;
    this.#parked = new Map(await countParked(pool, name));
    this.#stored = await readCursor(pool, name);
    this.#window = new DeliveryWindow(this.#stored);
    const stopListening = this.#parts.log.onAppend(() => this.#wake.resolve());
    signal.addEventListener("abort", () => this.#wake.resolve(), { once: true });
    try {
      await Promise.all([this.#deliver(signal), this.#retryParked(signal), this.#checkpoint(signal)]);
    } finally {
      stopListening();
    }
    await this.#storeCursor();
  }

  async #deliver(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#disabled) {
      const before = this.#window.scannedTo;
      await this.#attempt("read the log", () => this.#fill());
      this.#dispatch(signal);
      const more = this.#window.scannedTo > before && this.#window.size < windowEvents;
      if (!more) await this.#pause(signal);
    }
    while (this.#active > 0) await this.#pause(signal, 20);
  }

  /** Sleeps until woken by an append or the end of a push, or for a while. */
  async #pause(signal: AbortSignal, limitMs = idleMs): Promise<void> {
    const controller = new AbortController();
    const awayMs = this.#awayUntilMs - Date.now();
    const timer = delay(awayMs > 0 ? Math.min(awayMs, limitMs) : limitMs, undefined, {
      signal: controller.signal,
    });
    await Promise.race([timer, signal.aborted ? timer : this.#wake.promise]).catch(() => undefined);
    controller.abort();
    timer.catch(() => undefined);
    this.#wake = Promise.withResolvers<void>();
  }

  async #fill(): Promise<void> {
    if (this.#window.size >= windowEvents) return;
    const page = await this.#parts.log.read({
      after: this.#window.scannedTo,
      types: this.#subscription.types,
      limit: pageEvents,
    });
    for (const event of page.events) {
      this.#window.begin(event.seq);
      this.#lanes.add(event);
    }
    this.#window.scanned(page.scannedTo);
  }

  #dispatch(signal: AbortSignal): void {
    while (
      !signal.aborted &&
      this.#active < this.#subscription.concurrency &&
      Date.now() >= this.#awayUntilMs
    ) {
      const event = this.#lanes.take();
      if (event === undefined) return;
      this.#active += 1;
      void this.#deliverOne(event, signal).finally(() => {
        this.#active -= 1;
        this.#wake.resolve();
        this.#dispatch(signal);
      });
    }
  }

  async #deliverOne(event: LogEvent, signal: AbortSignal): Promise<void> {
    const ended = await this.#attempt("end a delivery", () => this.#tryDelivery(event));
    if (ended === true) {
      this.#lanes.release(event);
      this.#window.end(event.seq);
      this.#suspicions.delete(event.eventId);
      return;
    }
    // What could not be stored is pushed again: nothing ends before it is stored.
    if (ended === undefined) await delay(idleMs, undefined, { signal }).catch(() => undefined);
    this.#lanes.giveBack(event);
  }

  /** True when the event is delivered, parked or dead; false when its endpoint is away and it stays the next one. */
  async #tryDelivery(event: LogEvent): Promise<boolean> {
    if (this.#isParked(event.key)) {
      await this.#park(event, 0, 0, undefined);
      return true;
    }
    const outcome = await this.#push(event, 1);
    if (outcome.kind === "acknowledged") return true;
    if (outcome.kind === "away" && !this.#isSuspect(event)) return false;
    if (outcome.kind === "gone") this.#disable(outcome);
    if (outcome.kind === "refused") await this.#bury(event, 1, outcome);
    else await this.#park(event, 1, backoffMs(this.#settings, 1, outcome.retryAfterMs), outcome);
    return true;
  }

  async #push(event: LogEvent, attempt: number): Promise<PushOutcome> {
    const { name } = this.#subscription;
    const { timeoutMs } = this.#settings;
    // A push under way is not cut off by a stop: its own timeout bounds it, and its outcome is worth having.
    const signal = AbortSignal.timeout(timeoutMs);
    const outcome = await pushEvent(
      this.#target,
      this.#parts.push,
      { subscription: name, event, attempt, timeoutMs },
      signal,
    );
    if (outcome.kind === "away") this.#noteAway(event, outcome);
    else this.#awayFailures = 0;
    if (outcome.kind !== "acknowledged" && outcome.kind !== "away") {
      const { status, answer } = outcome;
      this.#parts.logger.warn(
        { subscription: name, event: event.eventId, type: event.type, attempt, status, answer },
        "push failed",
      );
    }
    return outcome;
  }

  #noteAway(event: LogEvent, failure: PushFailure): void {
    if (this.#awayFailures === 0) {
      const { status, answer, destination } = failure;
      this.#parts.logger.warn(
        { subscription: this.#subscription.name, destination, status, answer },
        "endpoint is away",
      );
    }
    this.#awayFailures += 1;
    const waitMs = backoffMs(this.#settings, this.#awayFailures, failure.retryAfterMs);
    this.#awayUntilMs = Date.now() + Math.min(longestAwayMs, Math.max(20, waitMs));
    // Only an endpoint that accepted the connection and then gave no answer may have been brought down by the event.
    if (failure.status !== 0 || /connect/i.test(failure.answer)) return;
    this.#suspicions.set(event.eventId, (this.#suspicions.get(event.eventId) ?? 0) + 1);
  }

  #isSuspect(event: LogEvent): boolean {
    return (this.#suspicions.get(event.eventId) ?? 0) >= suspectAfter;
  }

  #isParked(key: string): boolean {
    return (this.#parked.get(key) ?? 0) > 0;
  }

  async #park(
    event: { readonly seq: bigint; readonly key: string },
    attempts: number,
    dueInMs: number,
    failure: PushFailure | undefined,
  ): Promise<void> {
    this.#parked.set(event.key, (this.#parked.get(event.key) ?? 0) + 1);
    try {
      await parkEvent(this.#parts.pool, this.#subscription.name, event, attempts, dueInMs, failure);
    } catch (error) {
      this.#unpark(event.key);
      throw error;
    }
  }

  #unpark(key: string): void {
    const left = (this.#parked.get(key) ?? 1) - 1;
    if (left > 0) this.#parked.set(key, left);
    else this.#parked.delete(key);
  }

  async #retryParked(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#parked.size > 0 && !this.#disabled && Date.now() >= this.#awayUntilMs) {
        await this.#attempt("retry parked events", () => this.#retryDue(signal));
      }
      await delay(parkedTickMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Retries the first event of each parked key while some are due: a key that works again drains at once. */
  async #retryDue(signal: AbortSignal): Promise<void> {
    const { pool } = this.#parts;
    while (!signal.aborted && Date.now() >= this.#awayUntilMs) {
      const due = await readDueHeads(pool, this.#subscription.name, this.#subscription.concurrency);
      if (due.length === 0) return;
      const events = await readLogEvents(
        pool,
        due.map((parked) => parked.seq),
      );
      const bySeq = new Map(events.map((event) => [event.seq, event]));
      await Promise.all(
        due.map(async (parked) => {
          const event = bySeq.get(parked.seq);
          if (event !== undefined) await this.#retryOne(event, parked);
        }),
      );
    }
  }

  async #retryOne(event: LogEvent, parked: ParkedEvent): Promise<void> {
    const attempts = parked.attempts + 1;
    const outcome = await this.#push(event, attempts);
    const { pool } = this.#parts;
    const { name } = this.#subscription;
    if (outcome.kind === "acknowledged") {
      await removeParked(pool, name, event.seq);
      this.#unpark(event.key);
      this.#suspicions.delete(event.eventId);
      return;
    }
    // An endpoint that is away says nothing of the event, unless the event is what brings it down.
    if (outcome.kind === "away" && !this.#isSuspect(event)) return;
    if (outcome.kind === "gone") this.#disable(outcome);
    if (outcome.kind === "refused" || attempts > this.#settings.retry) {
      await this.#bury(event, attempts, outcome);
      this.#unpark(event.key);
      this.#suspicions.delete(event.eventId);
      return;
    }
    const waitMs = backoffMs(this.#settings, attempts, outcome.retryAfterMs);
    await parkEvent(pool, name, event, attempts, waitMs, outcome);
  }

  async #bury(event: LogEvent, attempts: number, failure: PushFailure): Promise<void> {
    const { pool, domain, logger } = this.#parts;
    const { name } = this.#subscription;
    await buryEvent(pool, domain, name, event, attempts, failure);
    logger.error({ subscription: name, event: event.eventId, type: event.type, attempts }, "dead letter");
  }

  /** 410: the subscriber wants no more. Its events stay in the log behind its cursor. */
  #disable(failure: PushFailure): void {
    this.#disabled = true;
    const { destination } = failure;
    this.#parts.logger.error(
      { subscription: this.#subscription.name, destination },
      "endpoint is gone; subscription halted",
    );
  }

  async #checkpoint(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(checkpointMs, undefined, { signal }).catch(() => undefined);
      await this.#attempt("store the cursor", () => this.#storeCursor());
    }
  }

  async #storeCursor(): Promise<void> {
    const { cursor } = this.#window;
    if (cursor <= this.#stored) return;
    await moveCursor(this.#parts.pool, this.#subscription.name, cursor);
    this.#stored = cursor;
  }

  /** Runs a step against the events database; a fault is logged and the step is tried again by its loop. */
  async #attempt<T>(what: string, step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#parts.logger.warn(
        { subscription: this.#subscription.name, reason },
        `could not ${what}; trying again`,
      );
      return undefined;
    }
  }
}
