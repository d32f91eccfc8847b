import { setTimeout as delay } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { Domain } from "../../service/domain.ts";
import type { EventLog } from "../log/event-log.ts";
import type { LogEvent } from "../log/log-event.ts";
import { readLogEvents } from "../log/postgres-log.ts";
import { backoffMs, type DeliverySettings, deliverySettings } from "../push/backoff.ts";
import { isWell, type PushSettings, type PushTarget, pushEvent } from "../push/push-event.ts";
import type { PushFailure, PushOutcome } from "../push/push-outcome.ts";
import { pauseSubscription } from "../subscription/subscriptions.ts";
import { buryEvent } from "./bury-event.ts";
import { moveCursor, readCursor } from "./cursor.ts";
import { DeliveryWindow } from "./delivery-window.ts";
import { KeyLanes } from "./key-lanes.ts";
import {
  hasParked,
  type ParkedEvent,
  parkEvent,
  postponeParked,
  readDueHeads,
  readParkedKeys,
  removeParked,
} from "./parked-events.ts";
import { ParkedKeys } from "./parked-keys.ts";
import { Suspicions } from "./suspicions.ts";

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
const longestAwayMs = 2_000;
/** To a class of ours an attempt costs little, and somebody may be waiting. */
const longestOwnAwayMs = 250;

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
  #parked = new ParkedKeys([]);
  #window = new DeliveryWindow(0n);
  #stored = 0n;
  #active = 0;
  #awayFailures = 0;
  #awayUntilMs = 0;
  readonly #suspicions = new Suspicions();
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
    // The cursor first: what was parked since it was read is parked again, which does no harm.
    this.#stored = await readCursor(pool, name);
    this.#parked = new ParkedKeys(await readParkedKeys(pool, name));
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
    const awayMs = this.#awayUntilMs - performance.now();
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
      performance.now() >= this.#awayUntilMs
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
      this.#suspicions.forget(event.eventId);
      return;
    }
    // What could not be stored is pushed again: nothing ends before it is stored.
    if (ended === undefined) await delay(idleMs, undefined, { signal }).catch(() => undefined);
    this.#lanes.giveBack(event);
  }

  /** True when the event is delivered, parked or dead; false when its endpoint is away and it stays the next one. */
  async #tryDelivery(event: LogEvent): Promise<boolean> {
    if (this.#parked.has(event.key)) {
      await this.#park(event, 0, 0, undefined);
      return true;
    }
    const outcome = await this.#push(event, 1);
    if (outcome.kind === "acknowledged") return true;
    if (outcome.kind === "away" && !this.#isSuspect(event)) return false;
    if (outcome.kind === "gone") await this.#disable(outcome);
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
    if (outcome.kind === "away") await this.#noteAway(event, outcome);
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

  async #noteAway(event: LogEvent, failure: PushFailure): Promise<void> {
    if (this.#awayFailures === 0) {
      const { status, answer, destination } = failure;
      this.#parts.logger.warn(
        { subscription: this.#subscription.name, destination, status, answer },
        "endpoint is away",
      );
    }
    // Pushes that were under way together fail together: that is one failure of the endpoint.
    if (performance.now() >= this.#awayUntilMs) {
      this.#awayFailures += 1;
      const waitMs = backoffMs(this.#settings, this.#awayFailures, failure.retryAfterMs);
      const longestMs = this.#target.own ? longestOwnAwayMs : longestAwayMs;
      this.#awayUntilMs = performance.now() + Math.min(longestMs, Math.max(20, waitMs));
    }
    const unreachable = failure.status === 0 && /connect/i.test(failure.answer);
    this.#suspicions.note(event.eventId, {
      wellOtherwise: !unreachable && (await isWell(this.#target)),
      unanswered: !unreachable && failure.status === 0,
    });
  }

  #isSuspect(event: LogEvent): boolean {
    return this.#suspicions.isSuspect(event.eventId);
  }

  async #park(
    event: LogEvent,
    attempts: number,
    dueInMs: number,
    failure: PushFailure | undefined,
  ): Promise<void> {
    const { pool } = this.#parts;
    const { name } = this.#subscription;
    await this.#parked.park(event.key, () => parkEvent(pool, name, event, attempts, dueInMs, failure));
  }

  async #unpark(event: LogEvent): Promise<void> {
    this.#suspicions.forget(event.eventId);
    const { pool } = this.#parts;
    const { name } = this.#subscription;
    await this.#parked.release(event.key, async () => !(await hasParked(pool, name, event.key)));
  }

  async #retryParked(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#parked.size > 0 && !this.#disabled && performance.now() >= this.#awayUntilMs) {
        await this.#attempt("retry parked events", () => this.#retryDue(signal));
        await this.#attempt("release keys", () => this.#releaseEmpty());
      }
      await delay(parkedTickMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Retries the first event of each parked key while some are due: a key that works again drains at once. */
  async #retryDue(signal: AbortSignal): Promise<void> {
    const { pool } = this.#parts;
    while (!signal.aborted && performance.now() >= this.#awayUntilMs) {
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

  /** Keys whose last event went while its answer was lost. */
  async #releaseEmpty(): Promise<void> {
    const settled = this.#parked.settled();
    if (settled.length === 0) return;
    const { pool } = this.#parts;
    const { name } = this.#subscription;
    const parked = new Set(await readParkedKeys(pool, name));
    const empty = settled.filter((key) => !parked.has(key));
    for (const key of empty) await this.#parked.release(key, async () => !(await hasParked(pool, name, key)));
  }

  async #retryOne(event: LogEvent, parked: ParkedEvent): Promise<void> {
    const attempts = parked.attempts + 1;
    const outcome = await this.#push(event, attempts);
    const { pool } = this.#parts;
    const { name } = this.#subscription;
    if (outcome.kind === "acknowledged") {
      await removeParked(pool, name, event.seq);
      await this.#unpark(event);
      return;
    }
    // An endpoint that is away says nothing of the event, unless the event is what brings it down.
    if (outcome.kind === "away" && !this.#isSuspect(event)) return;
    if (outcome.kind === "gone") await this.#disable(outcome);
    if (outcome.kind === "refused" || attempts > this.#settings.retry) {
      await this.#bury(event, attempts, outcome);
      await this.#unpark(event);
      return;
    }
    const waitMs = backoffMs(this.#settings, attempts, outcome.retryAfterMs);
    await postponeParked(pool, name, event.seq, attempts, waitMs, outcome);
  }

  async #bury(event: LogEvent, attempts: number, failure: PushFailure): Promise<void> {
    const { pool, domain, logger } = this.#parts;
    const { name } = this.#subscription;
    await buryEvent(pool, domain, name, event, attempts, failure);
    logger.error({ subscription: name, event: event.eventId, type: event.type, attempts }, "dead letter");
  }

  /** 410: the subscriber wants no more. Its events stay in the log behind its cursor. */
  async #disable(failure: PushFailure): Promise<void> {
    this.#disabled = true;
    await pauseSubscription(this.#parts.pool, this.#subscription.name);
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
