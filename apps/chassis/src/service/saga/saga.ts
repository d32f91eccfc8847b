import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ReactionContext } from "../contexts.ts";

/** What a step's code is told of the run of the saga that it belongs to. */
export interface SagaState<S extends DescMessage> {
  /** The key of the run: of the event that began it, and of all outcomes. */
  readonly key: string;
  /** The event that began it. */
  readonly start: MessageShape<S>;
  /** Why it is being undone. Undefined while it goes forward. */
  readonly failure: SagaFailure | undefined;
  /** The event of this type that told a step's outcome, if there was one. */
  outcome<D extends DescMessage>(event: D): MessageShape<D> | undefined;
}

export interface SagaFailure {
  /** Empty: no step failed, the saga was called off. */
  readonly step: string;
  readonly reason: string;
}

/** Something that can be undone. */
export interface Compensable<S extends DescMessage> {
  /**
   * Undoes it. May run more than once, and when nothing, or not all, was done: what undoes finds out what there is to undo.
   * A decision as a reaction's: reads, calls down, and says what is to be written and published. It is over when that is
   * committed.
   */
  compensate(ctx: ReactionContext, state: SagaState<S>): Promise<void>;
}

/** One step of a saga. */
export interface SagaStepDefinition<S extends DescMessage> extends Compensable<S> {
  /** Unique in the saga: `[a-z][a-z0-9_]*`, not `start`. Runs know it by this name. */
  readonly name: string;
  /**
   * Does it, or asks for it: a decision as a reaction's. It may run more than once, but what it writes and publishes is
   * committed once, and only while the step is still waited for. A `QuartetError` that says no, such as
   * `failed_precondition`, gives the step up; any other error is tried again until the timeout. `ctx.operationId` stays
   * the same meanwhile: give it to whatever takes an idempotency key.
   */
  run(ctx: ReactionContext, state: SagaState<S>): Promise<void>;
  /** The event that says it is done, whoever publishes it. */
  readonly done: DescMessage;
  /** The event that says it is not done, with nothing to undo. */
  readonly failed?: DescMessage;
  /**
   * Ms from its beginning until it is given up; then it is undone, since nobody knows what it did. Longer than an outage
   * that a run is to outlive: time goes on while no relay delivers.
   */
  readonly timeoutMs: number;
}

export interface SagaDefinition<S extends DescMessage> extends Compensable<S> {
  /** The event that begins a run; its key is the run's. `compensate` undoes what it stands for, last of all. */
  readonly start: S;
  /** The event that calls a run off which has not ended: it is undone. */
  readonly cancelled?: DescMessage;
  /** One after the other. */
  readonly steps: readonly SagaStepDefinition<S>[];
}

/** A saga as a domain lists it. */
export interface Saga extends SagaDefinition<DescMessage> {
  readonly name: string;
}

/**
 * Defines a saga: steps, each of which begins when the one before is done, and which are undone in reverse order when one
 * is not. Choreography: every outcome is an event, all with the same key, and anybody may publish or subscribe to it.
 *
 * Each run is a row of `quartet.saga`. It moves on in one transaction of the crud class that changes the row and publishes
 * what is due next: the step's run, and its timeout as a delayed event. So a transition happens once, at any crash, and
 * timeouts outlive every process. The states of a run:
 *
 * - RUNNING → COMPLETED when the last step is done; → COMPENSATING when a step fails, is given up, or the run is called off.
 * - COMPENSATING → COMPENSATED when all is undone; → STUCK when a compensation has not succeeded in five attempts, each
 *   with the step's `timeoutMs`. A `quartet.v1.SagaStuck` is published then: an alarm to subscribe to.
 * - STUCK → COMPENSATING when a `quartet.v1.SagaRetry` is published (`quartet sagas retry`), or the compensation succeeds
 *   after all, as by a dead letter that is redriven.
 * - COMPENSATED → COMPENSATING when a step that was given up turns out to have been done.
 *
 * And of a step: PENDING → RUNNING → DONE, FAILED by its event, or ABANDONED by its timeout, a refusal or `cancelled`;
 * DONE and ABANDONED → COMPENSATING → COMPENSATED, or STUCK. Of two outcomes that race the one committed first counts.
 * After that: the same again is nothing. "Done" for a step that was given up undoes it (again), once; nothing of a late
 * decision is written. "Done" for a step whose turn has not come passes it over. "Failed" counts only while it runs.
 *
 * Taken from Wolverine: timeouts are scheduled messages that find out whether they still matter. From MassTransit: the run
 * as a row, found by a key of its events. From Step Functions: a catch per step that tells failed from timed out. From none
 * of them: what a late answer means. Rename or remove a step only when no run has it; a new one runs in runs under way.
 *
 * A run that has ended, COMPLETED or COMPENSATED, is forgotten a week later by default (saga-retention-ddl.ts). What comes
 * for it then is nothing, but for another event of `start` with its key, which begins a run: give each a key of its own.
 *
 * `defineDomain` refuses a saga with a step that lacks a compensation or a timeout.
 */
export function saga<S extends DescMessage>(name: string, definition: SagaDefinition<S>): Saga {
  return { name, ...definition };
}
