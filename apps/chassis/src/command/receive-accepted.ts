import { create } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { type CommandAccepted, CommandFailedSchema, IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendStatement } from "../outbox/append-events.ts";
import { deriveEventId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { parsePosition } from "../position/position.ts";
import { runCommit } from "../sql/run-commit.ts";
import { isMissingGrant, translateDatabaseError } from "../sql/translate-error.ts";
import { headOf, toCall } from "./accepted-call.ts";
import type { CommandCall } from "./command-call.ts";
import { commitDecision, keptChanging } from "./commit-decision.ts";
import { decideCommand } from "./decide.ts";
import { describeDecision } from "./describe-decision.ts";
import type { CallScope } from "./handler-context.ts";
import { encodeIntent } from "./intent.ts";
import { OperationWriter } from "./operation-writer.ts";
import { claimOperation, errorToProblem, failOperation, isEnded, operationReader } from "./operations.ts";
import { systemEvent } from "./publish-system-event.ts";
import { noteReusedKey } from "./receive-intent.ts";
import type { ReceivedEvent } from "./received-event.ts";
import { recordRefusal } from "./refuse-command.ts";
import { answerOf } from "./run-direct.ts";
import { type Runtime, requireMain, requireOutbox, requireWriter } from "./runtime.ts";

/** Longest wait for the replica to show what undid the decision before; then the push is tried again later. */
const catchUpMs = 2_000;
/** Pushes, at growing pauses, for a replica to get where a client said that it must be: there may be no such place. */
const namedPlaceAttempts = 9;

/** Records an accepted command's operation, so that it can be seen before it is decided. */
export async function recordAccepted(runtime: Runtime, accepted: CommandAccepted): Promise<void> {
  try {
    await runCommit(requireWriter(runtime), async (client) => {
      await claimOperation(new OperationWriter(client, runtime.domain.registry), headOf(accepted));
    });
  } catch (error) {
    if (isReusedKey(error)) return noteReusedKey(runtime, headOf(accepted));
    throw translateDatabaseError(error);
  }
}

/**
 * Decides an accepted command: in crud commits it at once, in micro publishes its intent. A command that is decided again
 * is decided by a replica that shows what undid the decision before; one that a client sent with a position, by a replica
 * that is there, or it ends as refused.
 *
 * @throws QuartetError `stale`, or `aborted` for a place that a client named, when the replica does not get there in time:
 * then the push is tried again later.
 */
export async function decideAccepted(
  runtime: Runtime,
  event: ReceivedEvent,
  accepted: CommandAccepted,
  scope: CallScope,
): Promise<void> {
  const known = await operationReader(requireMain(runtime).pool, runtime.domain.registry)
    .get(accepted.operationId)
    .catch((error: unknown) => {
      throw translateDatabaseError(error);
    });
  if (known !== undefined && isEnded(known)) return;
  try {
    const call = toCall(runtime, event, accepted, scope);
    if (runtime.found.serviceClass === "crud") await decideAndCommit(runtime, event, call);
    else {
      await catchUp(runtime, event, accepted, scope);
      await decideAndSubmit(runtime, event, call, accepted.attempt);
    }
  } catch (error) {
    if (!(error instanceof QuartetError) || error.retry || error.code === "unimplemented") throw error;
    if (isMissingGrant(error)) throw error;
    await endRefused(runtime, event, accepted, error);
  }
}

/** The key may have been another request's all along: what is refused then is no operation. */
async function endRefused(
  runtime: Runtime,
  event: ReceivedEvent,
  accepted: CommandAccepted,
  refusal: QuartetError,
): Promise<void> {
  try {
    if (isReusedKey(refusal)) throw refusal;
    await refuse(runtime, event, accepted, refusal);
  } catch (error) {
    if (!isReusedKey(error)) throw translateDatabaseError(error);
    noteReusedKey(runtime, headOf(accepted));
  }
}

/**
 * What a failover has lost nobody can read: then what undid the decision is lost too, and it is made again as it is. Where
 * crud says that it is made again, a replica gets in time; what a client named may be made up.
 */
async function catchUp(
  runtime: Runtime,
  event: ReceivedEvent,
  { position, attempt }: CommandAccepted,
  scope: CallScope,
): Promise<void> {
  if (position === "") return;
  try {
    await requireMain(runtime).replay.waitIfPossible(parsePosition(position), catchUpMs, scope.signal);
  } catch (error) {
    if (attempt > 1 || scope.signal.aborted) throw error;
    const what = `No replica reached the command's Quartet-Position ${position}`;
    // A 503 would say that this process is away; it is this command alone that has to wait.
    if (event.attempt < namedPlaceAttempts)
      throw new QuartetError("aborted", `${what} yet.`, { cause: error });
    throw new QuartetError("failed_precondition", `${what}, so nothing was done.`, {
      cause: error,
      field: "Quartet-Position",
      fix: "Send it with a position that an answer brought.",
    });
  }
}

async function decideAndCommit(runtime: Runtime, event: ReceivedEvent, call: CommandCall): Promise<void> {
  const result = await commitDecision(
    runtime,
    call.signal,
    () => decideCommand(runtime, call),
    (decision) => ({
      ...decision,
      cause: { ...call, causeId: event.id },
      head: { ...call, method: call.method.name },
      decided: describeDecision(runtime, decision),
      claims: [],
      answerOf: (results) => answerOf(decision, results),
    }),
  );
  if (result.kind === "conflict") await recordRefusal(runtime, call, keptChanging(result.conflict));
}

async function decideAndSubmit(
  runtime: Runtime,
  event: ReceivedEvent,
  call: CommandCall,
  attempt: number,
): Promise<void> {
  const decision = await decideCommand(runtime, call);
  const decided = describeDecision(runtime, decision);
  const head = { ...call, method: call.method.name, attempt: Math.max(1, attempt), decided };
  const intent = encodeIntent(decision, head, runtime.domain.registry);
  await publishOnce(
    runtime,
    event,
    systemEvent(IntentSchema, intent, factsOf(event, call.operationId, "intent"), runtime.domain.registry),
  );
}

async function refuse(
  runtime: Runtime,
  event: ReceivedEvent,
  accepted: CommandAccepted,
  error: QuartetError,
): Promise<void> {
  const { registry } = runtime.domain;
  if (runtime.found.serviceClass === "crud") {
    await runCommit(requireWriter(runtime), async (client) => {
      const operations = new OperationWriter(client, registry);
      const claim = await claimOperation(operations, headOf(accepted));
      if (claim.kind !== "ended")
        await failOperation(operations, accepted.operationId, errorToProblem(error));
    });
    return;
  }
  const { operationId, method, principal, fingerprint, acceptTime, callbackUrl } = accepted;
  const failed = create(CommandFailedSchema, {
    operationId,
    method,
    principal,
    fingerprint,
    callbackUrl,
    ...(acceptTime === undefined ? {} : { acceptTime }),
    problem: errorToProblem(error),
  });
  await publishOnce(
    runtime,
    event,
    systemEvent(CommandFailedSchema, failed, factsOf(event, operationId, "failed"), registry),
  );
}

/** The first decision that is published counts; a repeated push decides again, and its outcome is dropped here. */
async function publishOnce(runtime: Runtime, event: ReceivedEvent, outcome: OutboxEvent): Promise<void> {
  try {
    await runCommit(requireOutbox(runtime), async (client) => {
      if (await claimEvent(client, event.subscription, event.id)) client.defer(appendStatement([outcome]));
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

function factsOf(event: ReceivedEvent, operationId: string, outcome: string) {
  return {
    id: deriveEventId(event.id, outcome),
    key: operationId,
    causationId: event.id,
    traceparent: event.traceparent,
  };
}

function isReusedKey(error: unknown): boolean {
  return error instanceof QuartetError && error.code === "key_reused";
}
