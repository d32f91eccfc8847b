import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";
import { type CommandAccepted, CommandFailedSchema, IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { deriveEventId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { runTransaction } from "../pbtable/run-transaction.ts";
import { translateDatabaseError } from "../pbtable/translate-error.ts";
import type { CommandCall } from "./command-call.ts";
import { commitIntent } from "./commit-intent.ts";
import { decideCommand } from "./decide.ts";
import type { CallScope } from "./handler-context.ts";
import { encodeIntent, unpack } from "./intent.ts";
import {
  claimOperation,
  errorToProblem,
  failOperation,
  isEnded,
  operationReader,
  operationWriter,
} from "./operations.ts";
import { systemEvent } from "./publish-system-event.ts";
import { noteReusedKey } from "./receive-intent.ts";
import type { ReceivedEvent } from "./received-event.ts";
import { answerOf } from "./run-direct.ts";
import { type Runtime, requireMain, requireOutbox, requireWriter } from "./runtime.ts";

/** Records an accepted command's operation, so that it can be seen before it is decided. */
export async function recordAccepted(runtime: Runtime, accepted: CommandAccepted): Promise<void> {
  try {
    await runTransaction(requireWriter(runtime), async (client) => {
      await claimOperation(operationWriter(client, runtime.domain.registry), headOf(accepted));
    });
  } catch (error) {
    if (isReusedKey(error)) return noteReusedKey(runtime, headOf(accepted));
    throw translateDatabaseError(error);
  }
}

/** Decides an accepted command: in crud commits it at once, in micro publishes its intent. */
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
    else await decideAndSubmit(runtime, event, call);
  } catch (error) {
    if (!(error instanceof QuartetError) || error.retry || error.code === "unimplemented") throw error;
    if (isReusedKey(error)) return noteReusedKey(runtime, headOf(accepted));
    await refuse(runtime, event, accepted, error);
  }
}

async function decideAndCommit(runtime: Runtime, event: ReceivedEvent, call: CommandCall): Promise<void> {
  const decision = await decideCommand(runtime, call);
  await commitIntent(runtime, {
    cause: { ...call, causeId: event.id },
    writes: decision.writes,
    events: decision.events,
    head: { ...call, method: call.method.name },
    claims: [],
    answerOf: (results) => answerOf(decision, results),
  });
}

async function decideAndSubmit(runtime: Runtime, event: ReceivedEvent, call: CommandCall): Promise<void> {
  const decision = await decideCommand(runtime, call);
  const intent = encodeIntent(decision, { ...call, method: call.method.name }, runtime.domain.registry);
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
    await runTransaction(requireWriter(runtime), async (client) => {
      const operations = operationWriter(client, registry);
      const claim = await claimOperation(operations, headOf(accepted));
      if (claim.kind !== "ended")
        await failOperation(operations, accepted.operationId, errorToProblem(error));
    });
    return;
  }
  const { operationId, method, principal, fingerprint, acceptTime } = accepted;
  const failed = create(CommandFailedSchema, {
    operationId,
    method,
    principal,
    fingerprint,
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
    await runTransaction(requireOutbox(runtime), async (client) => {
      if (await claimEvent(client, event.subscription, event.id)) await appendEvents(client, [outcome]);
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

function toCall(
  runtime: Runtime,
  event: ReceivedEvent,
  accepted: CommandAccepted,
  scope: CallScope,
): CommandCall {
  const method = runtime.domain.methods.get(accepted.method);
  if (method === undefined) {
    throw new QuartetError("unimplemented", `This build has no method ${accepted.method}.`);
  }
  return {
    ...headOf(accepted),
    method,
    request: unpack(accepted.request, runtime.domain.registry).message,
    keyed: true,
    expectedVersion: accepted.expectedVersion,
    deadlineMs: scope.deadlineMs,
    signal: scope.signal,
    traceparent: event.traceparent,
  };
}

function isReusedKey(error: unknown): boolean {
  return error instanceof QuartetError && error.code === "key_reused";
}

function headOf(accepted: CommandAccepted) {
  const { operationId, method, principal, fingerprint, acceptTime } = accepted;
  return {
    operationId,
    method,
    principal,
    fingerprint,
    acceptTime: acceptTime === undefined ? new Date() : timestampDate(acceptTime),
  };
}
