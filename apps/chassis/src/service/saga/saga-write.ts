import { create, type Registry } from "@bufbuild/protobuf";
import { type Any, timestampDate } from "@bufbuild/protobuf/wkt";
import { type Kysely, sql } from "kysely";
import { toProblem } from "../../error/problem.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import type { IntendedEvent } from "../../gen/quartet/v1/intent_pb.ts";
import {
  type SagaDecision,
  type SagaInstance,
  SagaInstanceSchema,
  type SagaSignal,
  SagaSignalSchema,
  SagaStepDueSchema,
  SagaStuckSchema,
  SagaTimeoutSchema,
} from "../../gen/quartet/v1/saga_pb.ts";
import type { TableTypes } from "../../pbtable/table-types.ts";
import { unpackAny } from "../../schema/unpack-any.ts";
import { type Write, type WriteContext, write } from "../write.ts";
import { isRefusal } from "./is-refusal.ts";
import type { Saga } from "./saga.ts";
import { SagaCourse } from "./saga-course.ts";
import { eventsOf } from "./saga-stages.ts";
import { withMethods } from "./with-methods.ts";

/** What the write looks up in its domain. */
export interface SagaParts {
  readonly registry: Registry;
  readonly sagas: ReadonlyMap<string, Saga>;
  readonly writes: ReadonlyMap<string, Write>;
}

type SagaWrite = Write<typeof SagaSignalSchema, SagaSignal>;

/**
 * The write that moves sagas on: the row, what a step has decided, and the events that are due because of it, in the one
 * transaction of the signal's intent. Signals about one run follow one another by the lock of its row. A signal about no
 * run, such as the outcome of an order that is older than the saga, is nothing.
 */
export function createSagaWrite(parts: SagaParts): SagaWrite {
  return write(SagaSignalSchema, async (tx, signal) => {
    const saga = parts.sagas.get(signal.saga);
    if (saga === undefined) throw new QuartetError("unimplemented", `This build has no saga ${signal.saga}.`);
    if (isStart(saga, signal)) await start(tx, saga, signal);
    else await moveOn(tx, saga, signal, parts);
    return signal;
  });
}

function isStart(saga: Saga, { signal }: SagaSignal): boolean {
  return signal.case === "event" && signal.value.typeUrl.endsWith(`/${saga.start.typeName}`);
}

async function start(tx: WriteContext, saga: Saga, { instanceKey, signal }: SagaSignal): Promise<void> {
  const instance = create(SagaInstanceSchema, {
    saga: saga.name,
    instanceKey,
    ...(signal.case === "event" ? { start: signal.value } : {}),
  });
  const course = new SagaCourse(saga, instance, new Date());
  course.begin();
  if (await tx.table(SagaInstanceSchema).insertIfAbsent(instance)) publishDue(tx, course, instance);
}

async function moveOn(tx: WriteContext, saga: Saga, signal: SagaSignal, parts: SagaParts): Promise<void> {
  const key = [signal.saga, signal.instanceKey];
  const table = tx.table(SagaInstanceSchema);
  if ((await table.getForUpdate(key)) === undefined) return;
  await table.update(key, async (instance) => {
    const course = new SagaCourse(saga, instance, new Date());
    await takeSignal(tx, saga, signal, course, parts);
    publishDue(tx, course, instance);
  });
}

async function takeSignal(
  tx: WriteContext,
  saga: Saga,
  { signal }: SagaSignal,
  course: SagaCourse,
  parts: SagaParts,
): Promise<void> {
  switch (signal.case) {
    case "event":
      return takeEvent(saga, signal.value, course);
    case "timeout":
      return course.timeout(signal.value);
    case "decision":
      return course.decided(signal.value, await commitDecision(tx, signal.value, course, parts));
    case "retry":
      return course.retry();
    default:
      throw new QuartetError("unimplemented", "This build does not know what happened to the saga.");
  }
}

function takeEvent(saga: Saga, event: Any, course: SagaCourse): void {
  const known = eventsOf(saga).find(([{ typeName }]) => event.typeUrl.endsWith(`/${typeName}`));
  const meaning = known?.[1];
  if (meaning?.kind === "done") course.done(meaning.step, event);
  else if (meaning?.kind === "failed") course.failed(meaning.step, event);
  else if (meaning?.kind === "cancelled") course.cancelled(event);
  else throw new QuartetError("unimplemented", `This build's saga ${saga.name} takes no ${event.typeUrl}.`);
}

/** Commits what a step decided, if it comes in time. Returns why not when a write of it refuses. */
async function commitDecision(
  tx: WriteContext,
  decision: SagaDecision,
  course: SagaCourse,
  parts: SagaParts,
): Promise<string | undefined> {
  if (decision.problem !== undefined) return decision.problem.detail;
  if (!course.accepts(decision)) return undefined;
  // A refusal undoes the decision, and not that it was refused.
  const published: (() => void)[] = [];
  const inner = withMethods(tx, {
    publish: (...event: Parameters<WriteContext["publish"]>) =>
      void published.push(() => tx.publish(...event)),
  } as Partial<WriteContext>); // the tuple stands for each of the generic method's calls
  await sql`savepoint quartet_saga_step`.execute(tx.db);
  try {
    for (const any of decision.writes) await runWrite(inner, any, parts);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await rollBack(tx.db);
    return toProblem(error).detail;
  }
  for (const event of decision.events) publishIntended(inner, event, parts.registry);
  for (const publish of published) publish();
  return undefined;
}

async function runWrite(tx: WriteContext, any: Any, { registry, writes }: SagaParts): Promise<void> {
  const { desc, message } = unpackAny(any, registry);
  const found = writes.get(desc.typeName);
  if (found === undefined) {
    throw new QuartetError("unimplemented", `No write of this domain takes a ${desc.typeName}.`, {
      fix: "List it in the writes of quartet.config.ts.",
    });
  }
  await found.run(tx, message as never);
}

async function rollBack(db: Kysely<TableTypes>): Promise<void> {
  await sql`rollback to savepoint quartet_saga_step`.execute(db);
}

function publishIntended(tx: WriteContext, intended: IntendedEvent, registry: Registry): void {
  const { desc, message } = unpackAny(intended.event, registry);
  tx.publish(desc, message as never, {
    ...(intended.key === "" ? {} : { key: intended.key }),
    ...(intended.deliverAfter === undefined ? {} : { deliverAfter: timestampDate(intended.deliverAfter) }),
  });
}

/**
 * The events that the course makes due. A timeout counts from the transaction that begins its run, and has the run's key:
 * what was published before it is over stands before it, also when all of it had to wait for a crud that was away.
 */
function publishDue(tx: WriteContext, course: SagaCourse, instance: SagaInstance): void {
  const { saga, instanceKey, failedStep, reason } = instance;
  const outcomes = instance.steps.flatMap(({ outcome }) => (outcome === undefined ? [] : [outcome]));
  const begun = instance.start === undefined ? {} : { start: instance.start };
  for (const { stage, run, backward } of course.due) {
    const due = { saga, instanceKey, step: stage.name, run, backward };
    tx.publish(SagaStepDueSchema, { ...due, ...begun, outcomes, failedStep, reason });
    const deliverAfter = new Date(Date.now() + stage.timeoutMs);
    tx.publish(SagaTimeoutSchema, due, { deliverAfter, ...orderOf(instanceKey) });
  }
  for (const { name, lastError } of course.stuck) {
    tx.publish(SagaStuckSchema, { saga, instanceKey, step: name, lastError });
  }
}

/** As the outbox has keys. A run whose key is longer is ordered by other keys than its own. */
const longestEventKey = 255;

function orderOf(instanceKey: string): { readonly key?: string } {
  return instanceKey === "" || instanceKey.length > longestEventKey ? {} : { key: instanceKey };
}
