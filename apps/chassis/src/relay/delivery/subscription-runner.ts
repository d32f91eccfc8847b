import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { CallbackTarget } from "../callback/callback-target.ts";
import { pushEvents } from "../push/push-events.ts";
import type { PushAnswer } from "../push/push-outcome.ts";
import type { PushTarget } from "../push/push-target.ts";
import type { EventPredicate } from "../subscription/match-event.ts";
import type { CursorFence, CursorState } from "./cursor.ts";
import { type DeliveryPlan, planDelivery } from "./delivery-plan.ts";
import { createDeliveryState, type DeliveryState } from "./delivery-state.ts";
import { DeliveryStore } from "./delivery-store.ts";
import { Dispatcher, type PushUnderWay } from "./dispatcher.ts";
import { EndpointWatch } from "./endpoint-watch.ts";
import { FailureLog } from "./failure-log.ts";
import { LogFiller, mostParkedLanes } from "./log-filler.ts";
import { ParkedReader } from "./parked-reader.ts";
import { nextAttempt } from "./pending-event.ts";
import { PumpTimer } from "./pump-timer.ts";
import type { RunnerParts } from "./runner-parts.ts";
import { sealReplies } from "./seal-replies.ts";
import { displaceFresh, type SettleParts, settlePush } from "./settle-push.ts";

const checkpointMs = 200;
/** Events after which the cursor is stored without waiting for its time. */
const checkpointEvents = 5_000;
/** While nothing happens, how often it is looked whether somebody else has changed something. */
const idleMs = 500;
const faultPauseMs = 500;
/** What the stop of a run leaves pushes under way. Longer ones are cut off, and made again by the next run. */
const drainMs = 3_000;
/** Attempts that wait to be recorded; with more, the database is away, and so are pushes. */
const mostAttemptsWaiting = 10_000;

/** How a run ended. */
export type RunEnd = "stopped" | "replayed";

/**
 * Delivers the log to one subscriber, at least once and in order per lane.
 *
 * An event is, in turn: read → under way → acknowledged; or → parked (it failed; so do those behind it in its lane) →
 * acknowledged, or dead when its attempts are spent. An endpoint that does not answer at all halts the subscription with
 * its events kept, until it answers; an event that it never answers is parked. The cursor passes an event only when it is
 * acknowledged, parked in the database, or dead.
 *
 * Everything runs through `#pump`, which never waits: it reads ahead, brings back what is due, and begins pushes, as far as
 * each may go, and is called whenever something has happened. One timer stands for the next thing that time alone changes.
 *
 * A run is `running` → `halted` (410: until somebody stops it) → `draining` (its signal has aborted: no push begins) →
 * over; or `failed` at once, when its lease is lost or on a fault of our own: nothing more is stored then.
 */
export class SubscriptionRunner {
  readonly #parts: RunnerParts;
  readonly #subscription: Subscription;
  readonly #target: PushTarget;
  readonly #plan: DeliveryPlan;
  readonly #state: DeliveryState;
  readonly #store: DeliveryStore;
  readonly #dispatcher: Dispatcher;
  readonly #filler: LogFiller;
  readonly #reader: ParkedReader;
  readonly #settling: SettleParts;
  readonly #failures: FailureLog;
  readonly #watch: EndpointWatch;
  readonly #timer: PumpTimer;
  readonly #cutOff = new AbortController();
  readonly #over = Promise.withResolvers<RunEnd>();
  #mode: "running" | "halted" | "draining" | "failed" = "running";
  #revision: bigint;
  #endedSinceCheckpoint = 0;
  #lastCheckpointMs = 0;
  #drainTimer: NodeJS.Timeout | undefined;
  #isPumping = false;
  #readAgainAtMs = 0;
  #isReadingHeads = false;

  constructor(
    parts: RunnerParts,
    subscription: Subscription,
    target: PushTarget,
    matches: EventPredicate,
    fence: CursorFence,
    cursor: CursorState,
  ) {
    this.#parts = parts;
    this.#subscription = subscription;
    this.#target = target;
    this.#plan = planDelivery(subscription);
    this.#revision = cursor.revision;
    this.#state = createDeliveryState(this.#plan, cursor.seq);
    this.#store = new DeliveryStore(parts, this.#state, fence, cursor.revision, {
      fail: (error) => this.#fail(error),
      changed: this.#pump,
    });
    this.#dispatcher = new Dispatcher(
      this.#state,
      target.own,
      performance.now(),
      target instanceof CallbackTarget,
    );
    this.#filler = new LogFiller(parts, subscription, matches, this.#state, this.#store);
    this.#reader = new ParkedReader(parts, this.#state, this.#store, this.#pump);
    this.#failures = new FailureLog(parts.logger, this.#plan.name);
    this.#watch = new EndpointWatch(target, this.#plan.publicName, parts.observer, this.#failures);
    this.#timer = new PumpTimer(this.#pump);
    this.#settling = this.#createSettling();
  }

  /**
   * Runs until the signal aborts; then waits a while for pushes under way and stores the cursor. A replay ends by itself.
   *
   * @throws QuartetError `lease_lost`; whatever is a fault of our own.
   */
  async run(signal: AbortSignal): Promise<RunEnd> {
    const stopListening = this.#parts.log.onAppend(() => {
      this.#filler.noteAppend();
      this.#pump();
    });
    const stop = () => this.#drain();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#reader.readHeads(() => undefined);
      if (signal.aborted) this.#drain();
      this.#pump();
      return await this.#over.promise;
    } finally {
      signal.removeEventListener("abort", stop);
      stopListening();
      this.#timer[Symbol.dispose]();
      clearTimeout(this.#drainTimer);
      this.#store.close();
    }
  }

  #createSettling(): SettleParts {
    const { domain, observer } = this.#parts;
    return {
      state: this.#state,
      store: this.#store,
      reader: this.#reader,
      isSuspect: (pending) => this.#watch.isSuspect(pending),
      forget: (pending) => {
        this.#endedSinceCheckpoint += 1;
        this.#watch.forget(pending);
      },
      publicationOf: ({ event }, { replies }) =>
        sealReplies(domain, this.#plan.publicName, this.#target.own, event, replies),
      buried: (burial) => {
        observer.buried(this.#plan.publicName);
        this.#failures.noteDead(burial);
      },
      wake: this.#pump,
    };
  }

  readonly #pump = (): void => {
    if (this.#isPumping || this.#mode === "failed") return;
    this.#isPumping = true;
    try {
      this.#step(performance.now());
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isPumping = false;
    }
  };

  #step(nowMs: number): void {
    if (this.#mode === "running") {
      this.#read(nowMs);
      this.#dispatch(nowMs);
    }
    this.#checkpoint(nowMs);
    this.#endReplay();
    this.#setTimer(nowMs);
  }

  #read(nowMs: number): void {
    if (nowMs >= this.#readAgainAtMs && this.#filler.wants) {
      this.#filler.fill().then(this.#pump, (error: unknown) => {
        this.#readAgainAtMs = performance.now() + faultPauseMs;
        this.#failures.noteFault("read the log", error);
        this.#pump();
      });
    }
    if (this.#reader.wants(nowMs)) void this.#reader.readDue(nowMs).then(this.#pump);
    const mayLearnMore = this.#reader.isCut && this.#state.parked.size < mostParkedLanes / 2;
    if (this.#store.revision !== this.#revision || mayLearnMore) this.#readHeads();
  }

  /** Somebody else has changed what is parked. */
  #readHeads(): void {
    if (this.#isReadingHeads) return;
    this.#isReadingHeads = true;
    const { revision } = this.#store;
    this.#reader
      .readHeads((laneId) => displaceFresh(this.#settling, laneId))
      .then(
        () => {
          this.#revision = revision;
        },
        (error: unknown) => this.#failures.noteFault("read what is parked", error),
      )
      .finally(() => {
        this.#isReadingHeads = false;
        this.#pump();
      });
  }

  #dispatch(nowMs: number): void {
    if (this.#store.attemptsWaiting >= mostAttemptsWaiting) return;
    for (let push = this.#dispatcher.next(nowMs); push !== undefined; push = this.#dispatcher.next(nowMs)) {
      this.#push(push);
    }
  }

  #push(push: PushUnderWay): void {
    const events = push.events.map((pending) => ({ event: pending.event, attempt: nextAttempt(pending) }));
    const { timeoutMs } = this.#plan.settings;
    const request = { subscription: this.#subscription, events, timeoutMs };
    const target = this.#target;
    const settings = this.#parts.push;
    const pushing =
      target instanceof CallbackTarget
        ? target.push(settings, request, this.#cutOff.signal)
        : pushEvents(target, settings, request, this.#cutOff.signal);
    pushing.then(
      (answer) => this.#ended(push, answer),
      (error: unknown) => this.#fail(error),
    );
  }

  #ended(push: PushUnderWay, answer: PushAnswer): void {
    if (this.#mode === "failed") return;
    if (answer.endpoint === "answered") {
      this.#settle(push, answer);
      return;
    }
    this.#watch.suspect(push.events, answer).then(
      () => this.#settle(push, answer),
      (error: unknown) => this.#fail(error),
    );
  }

  #settle(push: PushUnderWay, answer: PushAnswer): void {
    // A push may end after the run: nothing is stored then.
    if (this.#mode === "failed") return;
    try {
      this.#parts.onPoint?.("pushed");
      this.#watch.observe(answer);
      const blamed = this.#dispatcher.ended(push, answer, performance.now());
      const gone = answer.outcomes.find((outcome) => outcome.kind === "gone");
      if (gone?.kind === "gone") this.#halt(gone.destination);
      settlePush(this.#settling, push.lanes, push.events, answer, blamed);
    } catch (error) {
      this.#fail(error);
    }
    this.#pump();
    this.#endDrain();
  }

  /** 410: the subscriber wants no more. Its events stay in the log behind its cursor. */
  #halt(destination: string): void {
    if (this.#mode !== "running") return;
    this.#mode = "halted";
    this.#store.pause(`${destination} answered 410 Gone.`);
    this.#failures.noteGone(destination);
  }

  #checkpoint(nowMs: number): void {
    const sinceMs = nowMs - this.#lastCheckpointMs;
    const isDue = this.#endedSinceCheckpoint > 0 || this.#store.attemptsWaiting > 0;
    const isLate = sinceMs >= (isDue ? checkpointMs : idleMs);
    if (!isLate && this.#endedSinceCheckpoint < checkpointEvents) return;
    this.#lastCheckpointMs = nowMs;
    this.#endedSinceCheckpoint = 0;
    this.#store.checkpoint();
    // The log may belong to an implementation that tells nothing of other processes' appends.
    if (!isDue) this.#filler.noteAppend();
  }

  /** A replay has delivered all that it was to. */
  #endReplay(): void {
    const { window, parked } = this.#state;
    if (!this.#filler.isAtEnd || window.size > 0 || parked.size > 0 || this.#reader.isCut) return;
    if (this.#mode !== "running" || this.#isReadingHeads || this.#store.revision !== this.#revision) return;
    this.#mode = "draining";
    this.#finish("replayed");
  }

  #drain(): void {
    if (this.#mode === "failed" || this.#mode === "draining") return;
    this.#mode = "draining";
    this.#drainTimer = setTimeout(() => this.#cutOff.abort(), drainMs);
    this.#endDrain();
  }

  #endDrain(): void {
    if (this.#mode === "draining" && this.#dispatcher.active === 0) this.#finish("stopped");
  }

  /** Stores what is left to be stored, for a while: a database that is away does not keep a run from ending. */
  #finish(end: RunEnd): void {
    this.#store.checkpoint();
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, drainMs);
    Promise.race([this.#store.drain(), limit.promise]).then(() => {
      clearTimeout(timer);
      this.#over.resolve(end);
    }, this.#over.reject);
  }

  #fail(error: unknown): void {
    if (this.#mode === "failed") return;
    this.#mode = "failed";
    this.#store.close();
    this.#cutOff.abort();
    this.#over.reject(error);
  }

  #setTimer(nowMs: number): void {
    const atMs = Math.min(
      this.#lastCheckpointMs + (this.#endedSinceCheckpoint > 0 ? checkpointMs : idleMs),
      this.#dispatcher.wakeAtMs ?? Number.POSITIVE_INFINITY,
      this.#state.parked.nextDueMs ?? Number.POSITIVE_INFINITY,
      this.#readAgainAtMs > nowMs ? this.#readAgainAtMs : Number.POSITIVE_INFINITY,
    );
    this.#timer.set(atMs, nowMs);
  }
}
