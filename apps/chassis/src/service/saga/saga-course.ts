import { create } from "@bufbuild/protobuf";
import { type Any, type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  type SagaDecision,
  type SagaInstance,
  SagaStatus,
  type SagaStep,
  SagaStepSchema,
  SagaStepStatus,
  type SagaTimeout,
} from "../../gen/quartet/v1/saga_pb.ts";
import type { Saga } from "./saga.ts";
import { type SagaStage, stagesOf, startStage } from "./saga-stages.ts";

/** How often a compensation is tried before its run is stuck. */
const maxAttempts = 5;

/** A step that is to be run, forward or backward. */
export interface DueRun {
  readonly stage: SagaStage;
  readonly run: number;
  readonly backward: boolean;
}

/** Where a run of a decision belongs, and whether it comes in time. */
type RunOf = Pick<SagaDecision | SagaTimeout, "step" | "run" | "backward">;

/**
 * One run of a saga on its way: takes what happens to it, in the order in which it is committed, and changes the row as
 * `saga` says. What is due because of it is collected. Reads no clock and no database.
 *
 * Guarantees whatever comes, how often and in which order: a forward run's decision is accepted at most once; a step that
 * is compensated is compensated after the last news of its being done; a run that has ended has no step left to undo.
 */
export class SagaCourse {
  readonly due: DueRun[] = [];
  /** Steps that are stuck since now. */
  readonly stuck: SagaStep[] = [];
  readonly #instance: SagaInstance;
  readonly #stages: readonly SagaStage[];
  readonly #now: Timestamp;

  /** @throws QuartetError `unimplemented` when the run has steps that this build does not know; a newer one does. */
  constructor(saga: Saga, instance: SagaInstance, now: Date) {
    this.#instance = instance;
    this.#stages = stagesOf(saga);
    this.#now = timestampFromDate(now);
    const unknown = instance.steps.find(({ name }) => !this.#stages.some((stage) => stage.name === name));
    if (unknown !== undefined) {
      throw new QuartetError("unimplemented", `This build's saga ${saga.name} has no step ${unknown.name}.`);
    }
  }

  /** The event that begins the run has come. */
  begin(): void {
    this.#instance.status = SagaStatus.RUNNING;
    this.#instance.startTime = this.#now;
    this.#end(this.#step(startStage), SagaStepStatus.DONE);
    this.#moveOn();
  }

  /** An event says that a step is done. */
  done(name: string, event: Any): void {
    const step = this.#step(name);
    if (step.status === SagaStepStatus.DONE) return;
    if (isOpen(step)) {
      step.outcome = event;
      this.#end(step, SagaStepStatus.DONE);
      if (this.#instance.status === SagaStatus.COMPENSATED) this.#reopen();
    } else if (!step.late) {
      step.late = true;
      step.outcome = event;
      this.#touch();
      this.#undoAgain(step);
    }
    this.#moveOn();
  }

  /** An event says that a step is not done. */
  failed(name: string, event: Any): void {
    const step = this.#step(name);
    if (step.status !== SagaStepStatus.RUNNING) return;
    step.outcome = event;
    this.#end(step, SagaStepStatus.FAILED);
    this.#turnBack(name, typeNameOf(event));
  }

  /** An event calls the run off. */
  cancelled(event: Any): void {
    if (this.#instance.status !== SagaStatus.RUNNING) return;
    for (const { name } of this.#stages) {
      const step = this.#step(name);
      if (step.status === SagaStepStatus.RUNNING) this.#end(step, SagaStepStatus.ABANDONED);
    }
    this.#turnBack("", typeNameOf(event));
  }

  /** The time of a step's run is over. */
  timeout(timeout: RunOf): void {
    const step = this.#step(timeout.step);
    if (!isAwaited(step, timeout) || step.run !== timeout.run) return;
    const stage = this.#stage(step.name);
    if (!timeout.backward) this.#abandon(step, `no outcome within ${stage.timeoutMs} ms`);
    else if (step.attempts < maxAttempts) {
      step.attempts += 1;
      this.#push(step, true);
    } else if (step.status === SagaStepStatus.COMPENSATING) {
      step.lastError ||= `not undone within ${stage.timeoutMs} ms`;
      this.#note(step);
      this.#end(step, SagaStepStatus.STUCK);
      this.#instance.status = SagaStatus.STUCK;
      this.stuck.push(step);
    }
  }

  /** Somebody has mended what kept a compensation from succeeding. */
  retry(): void {
    if (this.#instance.status !== SagaStatus.STUCK) return;
    this.#reopen();
    for (const step of this.#instance.steps) if (step.status === SagaStepStatus.STUCK) this.#undo(step);
  }

  /** True when what a step's code has decided is to be committed. */
  accepts(decision: RunOf): boolean {
    const step = this.#step(decision.step);
    return isAwaited(step, decision) && (decision.backward || !step.decided);
  }

  /**
   * A step's code has decided, and the decision is committed with this if it was accepted.
   *
   * @param refusal why nothing of the decision is committed although it was accepted
   */
  decided(decision: RunOf, refusal: string | undefined): void {
    const step = this.#step(decision.step);
    const accepted = this.accepts(decision);
    if (decision.backward) {
      if (accepted) this.#undone(step, refusal);
      return;
    }
    const repeated = step.decided;
    if (!repeated) this.#touch();
    step.decided = true;
    if (accepted && refusal !== undefined) this.#abandon(step, refusal);
    // What it has done elsewhere nobody knew of when the step was undone.
    else if (!accepted && !repeated && step.status !== SagaStepStatus.DONE) this.#undoAgain(step);
    this.#moveOn();
  }

  #undone(step: SagaStep, refusal: string | undefined): void {
    if (refusal !== undefined) {
      step.lastError = refusal;
      this.#note(step);
      return;
    }
    this.#end(step, SagaStepStatus.COMPENSATED);
    this.#instance.status = SagaStatus.COMPENSATING;
    this.#moveOn();
  }

  #abandon(step: SagaStep, reason: string): void {
    step.lastError = reason;
    this.#note(step);
    this.#end(step, SagaStepStatus.ABANDONED);
    this.#turnBack(step.name, reason);
  }

  #turnBack(failedStep: string, reason: string): void {
    if (this.#instance.status === SagaStatus.RUNNING) {
      Object.assign(this.#instance, { status: SagaStatus.COMPENSATING, failedStep, reason });
    }
    this.#moveOn();
  }

  /** Something was done that the compensation, if there was one, may not have seen. */
  #undoAgain(step: SagaStep): void {
    const { COMPENSATING, STUCK, ABANDONED } = SagaStepStatus;
    if (step.status === ABANDONED) return;
    if (step.status === COMPENSATING || step.status === STUCK) this.#undo(step);
    else step.status = ABANDONED;
    // Another step that is stuck keeps the run where it is.
    if (this.#instance.status !== SagaStatus.STUCK || step.status === COMPENSATING) this.#reopen();
  }

  #reopen(): void {
    this.#instance.status = SagaStatus.COMPENSATING;
    delete this.#instance.endTime;
  }

  /** Begins what is next, unless something is under way. */
  #moveOn(): void {
    const steps = this.#stages.map(({ name }) => this.#step(name));
    if (this.#instance.status === SagaStatus.RUNNING) {
      const next = steps.find((step) => step.status !== SagaStepStatus.DONE);
      if (next === undefined) this.#finish(SagaStatus.COMPLETED);
      else if (isPending(next)) this.#run(next);
    } else if (this.#instance.status === SagaStatus.COMPENSATING) {
      if (steps.some(({ status }) => status === SagaStepStatus.COMPENSATING)) return;
      const next = steps.findLast(
        ({ status }) => status === SagaStepStatus.DONE || status === SagaStepStatus.ABANDONED,
      );
      if (next === undefined) this.#finish(SagaStatus.COMPENSATED);
      else this.#undo(next);
    }
  }

  #run(step: SagaStep): void {
    step.status = SagaStepStatus.RUNNING;
    step.beginTime = this.#now;
    this.#push(step, false);
  }

  #undo(step: SagaStep): void {
    step.status = SagaStepStatus.COMPENSATING;
    delete step.endTime;
    step.attempts = 1;
    this.#push(step, true);
    step.oldestRun = step.run;
  }

  #push(step: SagaStep, backward: boolean): void {
    this.#touch();
    step.run += 1;
    this.due.push({ stage: this.#stage(step.name), run: step.run, backward });
  }

  #end(step: SagaStep, status: SagaStepStatus): void {
    this.#touch();
    step.status = status;
    step.endTime = this.#now;
  }

  #finish(status: SagaStatus): void {
    this.#instance.status = status;
    this.#instance.endTime = this.#now;
  }

  #note(step: SagaStep): void {
    this.#touch();
    this.#instance.lastError = `${step.name}: ${step.lastError}`;
  }

  /** What changes nothing leaves the row as it is, its version too. */
  #touch(): void {
    this.#instance.updateTime = this.#now;
  }

  /** A run that an older build began lacks the steps that it did not know. */
  #step(name: string): SagaStep {
    const known = this.#instance.steps.find((step) => step.name === name);
    if (known !== undefined) return known;
    const step = create(SagaStepSchema, { name: this.#stage(name).name, status: SagaStepStatus.PENDING });
    this.#instance.steps.push(step);
    return step;
  }

  #stage(name: string): SagaStage {
    const stage = this.#stages.find((each) => each.name === name);
    if (stage !== undefined) return stage;
    throw new QuartetError("unimplemented", `This build's saga ${this.#instance.saga} has no step ${name}.`);
  }
}

/** True while the outcome of this run of a step is waited for; once it is not, it never is again. */
export function isAwaited(step: SagaStep, { run, backward }: RunOf): boolean {
  const { RUNNING, COMPENSATING, STUCK } = SagaStepStatus;
  if (!backward) return step.status === RUNNING && step.run === run;
  return (step.status === COMPENSATING || step.status === STUCK) && run >= step.oldestRun;
}

function isPending({ status }: SagaStep): boolean {
  return status === SagaStepStatus.PENDING || status === SagaStepStatus.UNSPECIFIED;
}

function isOpen(step: SagaStep): boolean {
  return isPending(step) || step.status === SagaStepStatus.RUNNING;
}

function typeNameOf(event: Any): string {
  return event.typeUrl.slice(event.typeUrl.lastIndexOf("/") + 1);
}
