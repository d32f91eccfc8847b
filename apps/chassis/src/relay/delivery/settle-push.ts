import { backoffMs } from "../push/backoff.ts";
import type { PushAnswer, PushFailure, PushOutcome } from "../push/push-outcome.ts";
import { attemptOf } from "./attempts.ts";
import type { Burial } from "./bury-event.ts";
import type { DeliveryState } from "./delivery-state.ts";
import type { DeliveryStore, Parking } from "./delivery-store.ts";
import type { EventLanes, Lane } from "./event-lanes.ts";
import type { ParkedReader } from "./parked-reader.ts";
import { nextAttempt, nextRecordedAttempt, type PendingEvent } from "./pending-event.ts";
import type { Publication } from "./settlement.ts";

/** What becomes of an event after a push. */
type Fate =
  | { readonly kind: "delivered"; readonly publication: Publication | undefined }
  /** Its key waits until then. */
  | {
      readonly kind: "later";
      readonly failure: PushFailure;
      readonly attempts: number;
      readonly dueAtMs: number;
    }
  /** The push said nothing of it: it is the first of its lane again. */
  | { readonly kind: "again" }
  | { readonly kind: "dead"; readonly burial: Burial };

/** What of its run settling a push works on. */
export interface SettleParts {
  readonly state: DeliveryState;
  readonly store: DeliveryStore;
  readonly reader: ParkedReader;
  /** Whether an event that its endpoint did not judge is itself the reason. */
  isSuspect(event: PendingEvent): boolean;
  /** The event has ended, or is stored: nothing more is to be remembered of it. */
  forget(event: PendingEvent): void;
  /** The events that its answer carries are published with it. @throws QuartetError when they cannot be. */
  publicationOf(event: PendingEvent, answer: PushAnswer): Publication | undefined;
  buried(burial: Burial): void;
  wake(): void;
}

/**
 * Notes what a push came to: each event is delivered, parked (and with it those of its lane behind it that were not
 * acknowledged), dead, or the first of its lane again. Nothing ends before it is stored; what was never parked and is
 * acknowledged needs no storing but the cursor.
 *
 * @param blamed it got no answer although its endpoint is well
 */
export function settlePush(
  parts: SettleParts,
  lanes: EventLanes,
  events: readonly PendingEvent[],
  answer: PushAnswer,
  blamed: boolean,
): void {
  for (let from = 0; from < events.length; ) {
    const lane = events[from]?.lane;
    let to = from + 1;
    while (to < events.length && events[to]?.lane === lane) to += 1;
    if (lane !== undefined) settleLane(parts, lanes, lane, { events, from, to, answer, blamed });
    from = to;
  }
}

/** The events of one lane in a push, in order. */
interface LaneShare {
  readonly events: readonly PendingEvent[];
  readonly from: number;
  readonly to: number;
  readonly answer: PushAnswer;
  readonly blamed: boolean;
}

function settleLane(parts: SettleParts, lanes: EventLanes, lane: Lane, share: LaneShare): void {
  const result = new LaneResult();
  for (let at = share.from; at < share.to; at++) {
    const pending = share.events[at];
    const outcome = share.answer.outcomes[at];
    if (pending === undefined || outcome === undefined) continue;
    recordAttempt(parts, pending, outcome, share.answer);
    const acknowledged = outcome.kind === "acknowledged";
    // Behind one of its lane that is not over: whatever was said of it, it is pushed again after that one.
    if (result.isHeldUp && !acknowledged) result.behind.push(pending);
    else
      result.add(
        pending,
        acknowledged ? deliver(parts, pending, share.answer) : fail(parts, pending, outcome, share),
      );
  }
  if (lanes === parts.state.retries) settleRetries(parts, lane, result);
  else settleFresh(parts, lane, result);
}

/** What became of a lane's events, sorted. */
class LaneResult {
  readonly delivered: PendingEvent[] = [];
  publication: Publication | undefined;
  readonly burials: Burial[] = [];
  readonly dead: PendingEvent[] = [];
  later: { readonly pending: PendingEvent; readonly fate: Extract<Fate, { kind: "later" }> } | undefined;
  again: PendingEvent | undefined;
  /** Not acknowledged, and behind the one that is to be pushed later or again. */
  readonly behind: PendingEvent[] = [];

  get isHeldUp(): boolean {
    return this.later !== undefined || this.again !== undefined;
  }

  add(pending: PendingEvent, fate: Fate): void {
    if (fate.kind === "delivered") {
      this.delivered.push(pending);
      this.publication ??= fate.publication;
    } else if (fate.kind === "dead") {
      this.burials.push(fate.burial);
      this.dead.push(pending);
    } else if (fate.kind === "later") {
      this.later = { pending, fate };
    } else {
      this.again = pending;
    }
  }
}

function recordAttempt(
  { store, state }: SettleParts,
  pending: PendingEvent,
  outcome: PushOutcome,
  answer: PushAnswer,
): void {
  if (outcome.kind === "acknowledged" ? !state.plan.logsAll : outcome.untried === true) return;
  store.attempted(attemptOf(pending.event.seq, nextRecordedAttempt(pending), outcome, answer));
}

function deliver(parts: SettleParts, pending: PendingEvent, answer: PushAnswer): Fate {
  try {
    const publication = answer.replies.length === 0 ? undefined : parts.publicationOf(pending, answer);
    return { kind: "delivered", publication };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const { destination, status } = answer;
    return die(pending, { destination, status, answer: `Its reply: ${reason}`, retryAfterMs: undefined });
  }
}

function fail(
  parts: SettleParts,
  pending: PendingEvent,
  outcome: Exclude<PushOutcome, { kind: "acknowledged" }>,
  share: LaneShare,
): Fate {
  const { settings } = parts.state.plan;
  if (outcome.kind === "refused") return die(pending, outcome);
  if (outcome.kind === "gone") return { kind: "again" };
  if (outcome.kind === "away" && !share.blamed && !parts.isSuspect(pending)) return { kind: "again" };
  if (outcome.untried === true) {
    const dueAtMs = performance.now() + (outcome.retryAfterMs ?? 0);
    return { kind: "later", failure: outcome, attempts: nextAttempt(pending) - 1, dueAtMs };
  }
  const attempts = nextAttempt(pending);
  if (attempts > settings.retry) return die(pending, outcome);
  const dueAtMs = performance.now() + backoffMs(settings, attempts, outcome.retryAfterMs);
  return { kind: "later", failure: outcome, attempts, dueAtMs };
}

function die(pending: PendingEvent, failure: PushFailure): Fate {
  const burial = {
    event: pending.event,
    attempts: nextAttempt(pending),
    letter: pending.parked?.letter,
    failure,
  };
  return { kind: "dead", burial };
}

/** Events that were never parked. */
function settleFresh(parts: SettleParts, lane: Lane, result: LaneResult): void {
  const { fresh, parked } = parts.state;
  const { later, again, behind, burials, publication } = result;
  const ended = publication === undefined ? result.dead : [...result.dead, ...result.delivered];
  if (publication === undefined) for (const pending of result.delivered) end(parts, pending);
  let left = 1;
  const reopen = () => {
    left -= 1;
    if (left === 0) fresh.reopen(lane);
  };
  if (ended.length > 0) {
    left += 1;
    const settled = burials.length === 0 ? {} : { burials };
    parts.store.settle({
      removed: [],
      ...settled,
      ...(publication === undefined ? {} : { publication }),
      done: () => {
        for (const pending of ended) end(parts, pending);
        for (const burial of burials) parts.buried(burial);
        reopen();
        parts.wake();
      },
    });
  }
  if (later !== undefined || (again !== undefined && parked.has(lane.id))) {
    parkLane(parts, lane, result);
  } else if (again !== undefined) {
    for (const pending of behind.toReversed()) fresh.giveBack(pending);
    fresh.giveBack(again);
  }
  reopen();
}

/** Parks an event that failed, and behind it all of its lane that is not over. */
function parkLane(parts: SettleParts, lane: Lane, { later, again, behind }: LaneResult): void {
  const waiting = [...behind, ...parts.state.fresh.empty(lane.id)];
  const first = again === undefined ? [] : [again];
  const others = [...first, ...waiting];
  const parkings: Parking[] = others.map((pending) => parkingOf(pending, 0, 0, undefined));
  if (later !== undefined) {
    const { attempts, dueAtMs, failure } = later.fate;
    parkings.unshift(parkingOf(later.pending, attempts, dueAtMs, failure));
  }
  parts.store.park(parkings, () => {
    for (const pending of later === undefined ? others : [later.pending, ...others]) end(parts, pending);
    parts.wake();
  });
}

function parkingOf(
  { event, laneId }: PendingEvent,
  attempts: number,
  dueAtMs: number,
  failure: PushFailure | undefined,
): Parking {
  return { seq: event.seq, laneId, key: event.key, attempts, dueAtMs, failure };
}

/** Parks events that wait for their first push, because somebody else has parked one of their lane. */
export function displaceFresh(parts: SettleParts, laneId: string): void {
  const waiting = parts.state.fresh.empty(laneId);
  if (waiting.length === 0) return;
  parts.store.park(
    waiting.map((pending) => parkingOf(pending, 0, 0, undefined)),
    () => {
      for (const pending of waiting) end(parts, pending);
      parts.wake();
    },
  );
}

/** Events that are parked. Those behind one that failed stay where they are stored. */
function settleRetries(parts: SettleParts, lane: Lane, result: LaneResult): void {
  const { retries } = parts.state;
  const { later, again, behind, burials, publication } = result;
  const over = [...result.delivered, ...result.dead];
  if (again !== undefined) {
    for (const pending of behind.toReversed()) retries.giveBack(pending);
    retries.giveBack(again);
  }
  if (later !== undefined) retries.empty(lane.id);
  const isDrained = later === undefined && again === undefined && lane.first === undefined;
  // A lane that goes on does not wait for what is over to be stored.
  const goesOn = !isDrained && later === undefined && burials.length === 0;
  if (goesOn) retries.reopen(lane);
  for (const pending of over) parts.forget(pending);
  if (over.length === 0 && later === undefined) return;
  const last = over.at(-1);
  parts.store.settle({
    removed: over.map(({ event }) => event.seq),
    ...(later === undefined ? {} : { postponed: { seq: later.pending.event.seq, ...later.fate } }),
    ...(burials.length === 0 ? {} : { burials }),
    ...(publication === undefined ? {} : { publication }),
    ...(isDrained && last !== undefined
      ? { wanted: { laneId: lane.id, limit: parts.reader.mostAfter(last.bytes) } }
      : {}),
    done: (next) => {
      for (const burial of burials) parts.buried(burial);
      if (!goesOn) retries.reopen(lane);
      if (isDrained) parts.reader.goOn(lane.id, next);
      else if (later !== undefined) parts.state.parked.unload(lane.id, postponedHead(later));
      parts.wake();
    },
  });
}

function postponedHead({ pending, fate }: NonNullable<LaneResult["later"]>) {
  return { seq: pending.event.seq, dueAtMs: fate.dueAtMs };
}

function end(parts: SettleParts, pending: PendingEvent): void {
  if (pending.slot !== undefined) parts.state.window.end(pending.slot);
  parts.forget(pending);
}
