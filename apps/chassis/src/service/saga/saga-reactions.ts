import {
  create,
  type DescMessage,
  type Message,
  type MessageInitShape,
  type MessageShape,
  type Registry,
} from "@bufbuild/protobuf";
import { anyPack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { toProblem } from "../../error/problem.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { IntendedEventSchema } from "../../gen/quartet/v1/intent_pb.ts";
import { ProblemSchema } from "../../gen/quartet/v1/problem_pb.ts";
import {
  type SagaDecision,
  SagaDecisionSchema,
  type SagaInstance,
  type SagaRetry,
  SagaRetrySchema,
  type SagaSignal,
  type SagaSignalSchema,
  type SagaStep,
  type SagaStepDue,
  SagaStepDueSchema,
  SagaStepStatus,
  type SagaTimeout,
  SagaTimeoutSchema,
} from "../../gen/quartet/v1/saga_pb.ts";
import { declaredKeyOf } from "../../schema/event.ts";
import type { ReactionContext } from "../contexts.ts";
import { type Decision, DecisionRecorder } from "../decision.ts";
import type { Reaction } from "../reaction.ts";
import type { Write } from "../write.ts";
import { isRefusal } from "./is-refusal.ts";
import { readSagaRow } from "./read-saga.ts";
import type { Saga, SagaState } from "./saga.ts";
import { isAwaited } from "./saga-course.ts";
import { eventsOf, stagesOf } from "./saga-stages.ts";
import { createSagaState } from "./saga-state.ts";
import { withMethods } from "./with-methods.ts";

/** What the reactions look up in their domain. */
export interface ReactionParts {
  readonly registry: Registry;
  readonly sagas: ReadonlyMap<string, Saga>;
  readonly write: Write<typeof SagaSignalSchema, SagaSignal>;
}

/**
 * What runs the sagas of a domain. `sagas` takes their events and timeouts, of one run in commit order, and moves runs on.
 * `saga_steps` runs the code of steps; a step that hangs or fails keeps nothing else waiting, its own timeout least of all.
 */
export function createSagaReactions(parts: ReactionParts): readonly Reaction[] {
  const events = [...parts.sagas.values()].flatMap((saga) => eventsOf(saga).map(([desc]) => desc));
  return [
    {
      name: "sagas",
      eventType: SagaTimeoutSchema.typeName,
      event: SagaTimeoutSchema,
      others: [SagaRetrySchema, ...new Map(events.map((desc) => [desc.typeName, desc])).values()],
      settings: SagaTimeoutSchema,
      // There is nothing to compute: an intent of a micro would be one event more on the way of every step.
      serviceClass: "crud",
      run: (ctx, event) => signalEvent(ctx, event, parts),
    },
    {
      name: "saga_steps",
      eventType: SagaStepDueSchema.typeName,
      event: SagaStepDueSchema,
      settings: SagaStepDueSchema,
      serviceClass: "micro",
      run: (ctx, event) => runStep(ctx, event as SagaStepDue, parts),
    },
  ];
}

async function signalEvent(ctx: ReactionContext, event: Message, parts: ReactionParts): Promise<void> {
  switch (event.$typeName) {
    case SagaTimeoutSchema.typeName:
      return signalTimeout(ctx, event as SagaTimeout, parts);
    case SagaRetrySchema.typeName: {
      const retry = event as SagaRetry;
      const { saga, instanceKey } = retry;
      ctx.write(parts.write, { saga, instanceKey, signal: { case: "retry", value: retry } });
      return;
    }
    default:
      for (const saga of parts.sagas.values()) signalSaga(ctx, saga, event, parts);
  }
}

/** Most runs have long ended when their time is over: nothing is locked for them. */
async function signalTimeout(
  ctx: ReactionContext,
  timeout: SagaTimeout,
  parts: ReactionParts,
): Promise<void> {
  const { saga, instanceKey } = timeout;
  const step = stepOf(await readSagaRow(ctx, saga, instanceKey), timeout);
  if (step !== undefined && isPast(step, timeout)) return;
  ctx.write(parts.write, { saga, instanceKey, signal: { case: "timeout", value: timeout } });
}

function signalSaga(ctx: ReactionContext, saga: Saga, event: Message, parts: ReactionParts): void {
  const known = eventsOf(saga).find(([{ typeName }]) => typeName === event.$typeName);
  if (known === undefined) return;
  const [desc] = known;
  ctx.write(parts.write, {
    saga: saga.name,
    instanceKey: declaredKeyOf(desc, event) || ctx.event.key,
    signal: { case: "event", value: anyPack(desc, event as MessageShape<typeof desc>) },
  });
}

async function runStep(ctx: ReactionContext, due: SagaStepDue, parts: ReactionParts): Promise<void> {
  const { saga: name, instanceKey, step, run, backward } = due;
  const saga = parts.sagas.get(name);
  if (saga === undefined) throw new QuartetError("unimplemented", `This build has no saga ${name}.`);
  const instance = await readSagaRow(ctx, name, instanceKey);
  if (instance === undefined && isForgotten(ctx.event)) return refuseForgotten(due);
  const seen = stepOf(instance, due);
  if (seen !== undefined && isPast(seen, due) && isSettled(seen, due)) return;
  const decision =
    seen !== undefined && isPast(seen, due)
      ? create(SagaDecisionSchema, { step, run, backward, problem: { detail: "given up before it had run" } })
      : await decideStep(ctx, saga, due, parts.registry);
  ctx.write(parts.write, { saga: name, instanceKey, signal: { case: "decision", value: decision } });
}

function stepOf(instance: SagaInstance | undefined, run: SagaTimeout | SagaStepDue): SagaStep | undefined {
  return instance?.steps.find(({ name }) => name === run.step);
}

/** Runs are kept for longer than this after their ends (saga-retention-ddl.ts), whatever the deployment says. */
const shortestKeptMs = 86_400_000;

/** Of the run of an event that is not there: it has been, as something was due. A young one's is only not seen here yet. */
function isForgotten({ time }: ReactionContext["event"]): boolean {
  return time.getTime() < Date.now() - shortestKeptMs;
}

/**
 * A step's code that was run for a run that is no more could not be undone: what it decides is nothing, and what it does
 * elsewhere nobody would know of. Nothing is to be undone either: the run was, before it ended.
 *
 * @throws QuartetError `failed_precondition` when it goes forward: a human redrove a dead letter, and is to be told.
 */
function refuseForgotten({ saga, instanceKey, step, backward }: SagaStepDue): void {
  if (backward) return;
  const run = `The run ${instanceKey} of ${saga}`;
  throw new QuartetError("failed_precondition", `${run} ended long ago: its step ${step} is not run.`, {
    fix: "Find out whether an earlier attempt did anything elsewhere; then discard the letter.",
  });
}

/** True when the run is not waited for any more: it never will be again, so what a replica shows is enough. */
function isPast(step: SagaStep, run: SagaTimeout | SagaStepDue): boolean {
  return step.run >= run.run && !isAwaited(step, run);
}

/**
 * False for a forward run that was given up and of whose decision nothing was heard: an earlier attempt may have done
 * something elsewhere and died, after the step was undone. That it is over has to be told.
 */
function isSettled(step: SagaStep, { backward }: SagaStepDue): boolean {
  return backward || step.decided || step.status === SagaStepStatus.DONE;
}

async function decideStep(
  ctx: ReactionContext,
  saga: Saga,
  due: SagaStepDue,
  registry: Registry,
): Promise<SagaDecision> {
  const { step, run, backward } = due;
  const recorder = new DecisionRecorder();
  const own = withMethods(ctx, {
    write: <I extends DescMessage, M extends Message>(to: Write<I, M>, init: MessageInitShape<I>) =>
      recorder.write(to, init),
    publish: (...event: Parameters<ReactionContext["publish"]>) => recorder.publish(...event),
  } as Partial<ReactionContext>); // the tuple stands for each of the generic method's calls
  try {
    await codeOf(saga, due)(own, createSagaState(saga, due, registry));
    return create(SagaDecisionSchema, { step, run, backward, ...packDecision(recorder.finish(undefined)) });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const problem = create(ProblemSchema, toProblem(error));
    return create(SagaDecisionSchema, { step, run, backward, problem });
  }
}

type StepCode = (ctx: ReactionContext, state: SagaState<DescMessage>) => Promise<void>;

function codeOf(saga: Saga, { step, backward }: SagaStepDue): StepCode {
  const stage = stagesOf(saga).find(({ name }) => name === step);
  const forward = saga.steps.find(({ name }) => name === step);
  if (backward && stage !== undefined) return (ctx, state) => stage.compensate(ctx, state);
  if (!backward && forward !== undefined) return (ctx, state) => forward.run(ctx, state);
  throw new QuartetError("unimplemented", `This build's saga ${saga.name} has no step ${step}.`);
}

function packDecision({ writes, events }: Decision): Pick<SagaDecision, "writes" | "events"> {
  return {
    writes: writes.map(({ desc, input }) => anyPack(desc, input as MessageShape<typeof desc>)),
    events: events.map(({ desc, event, key, deliverAfter }) =>
      create(IntendedEventSchema, {
        event: anyPack(desc, event as MessageShape<typeof desc>),
        key: key ?? "",
        ...(deliverAfter === undefined ? {} : { deliverAfter: timestampFromDate(deliverAfter) }),
      }),
    ),
  };
}
