import { create } from "@bufbuild/protobuf";
import type { QuartetError } from "../error/quartet-error.ts";
import {
  type CommandAccepted,
  CommandAcceptedSchema,
  type Intent,
  type ReadPrecondition,
} from "../gen/quartet/v1/intent_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendStatement } from "../outbox/append-events.ts";
import { deriveEventId } from "../outbox/event-id.ts";
import { takePosition } from "../position/take-position.ts";
import { runCommit } from "../sql/run-commit.ts";
import { headOf, toCall } from "./accepted-call.ts";
import { readCause } from "./causing-event.ts";
import { commitDecision, keptChanging, maxAttempts } from "./commit-decision.ts";
import { decideCommand } from "./decide.ts";
import { describeDecision } from "./describe-decision.ts";
import type { CallScope } from "./handler-context.ts";
import { OperationWriter } from "./operation-writer.ts";
import { claimOperation } from "./operations.ts";
import { systemEvent } from "./publish-system-event.ts";
import { receiveReaction } from "./receive-reaction.ts";
import { type ReceivedEvent, systemSubscriptions } from "./received-event.ts";
import { answerOf } from "./run-direct.ts";
import { type Runtime, requireMain, requireWriter } from "./runtime.ts";

/**
 * What becomes of an intent whose decision did not hold. Nothing of it is written.
 *
 * - A command is published to be decided again by a micro whose replica shows what undid it. Many that want the same row
 *   stay in step on their replica, and one of them wins in each round; so the last attempt is made here, on the primary,
 *   one after the other, and a command ends as `aborted` only when that is lost too.
 * - A reaction is decided here at once: its event is with the intent. What it publishes has the same ids as ever.
 *
 * @returns what ends the command when its last attempt did not hold either
 * @throws QuartetError what the last attempt was refused with; for a reaction that did not hold `aborted`: its intent is
 * then tried again.
 */
export async function decideAgain(
  runtime: Runtime,
  event: ReceivedEvent,
  intent: Intent,
  scope: CallScope,
  conflict: ReadPrecondition,
): Promise<QuartetError | undefined> {
  if (intent.cause !== undefined) {
    await receiveReaction(runtime, readCause(intent.cause), scope);
    return undefined;
  }
  const attempt = Math.max(1, intent.attempt) + 1;
  const position = await takePosition(requireMain(runtime).pool);
  const accepted = acceptAgain(intent, attempt, position);
  if (attempt >= maxAttempts) return decideHere(runtime, event, accepted, scope, conflict);
  await publishOnce(runtime, event, accepted);
  return undefined;
}

/** Whatever has changed is committed, so all that reads at or past `position` sees it. */
function acceptAgain(intent: Intent, attempt: number, position: string): CommandAccepted {
  const { operationId, method, principal, fingerprint, acceptTime, request, expectedVersion } = intent;
  return create(CommandAcceptedSchema, {
    ...{ operationId, method, principal, fingerprint, attempt, position },
    callbackUrl: intent.callbackUrl,
    ...(acceptTime === undefined ? {} : { acceptTime }),
    ...(request === undefined ? {} : { request }),
    ...(expectedVersion === undefined ? {} : { expectedVersion }),
  });
}

/** The intent is done with: pushed again, it is a duplicate. An operation that has ended meanwhile stays so. */
async function publishOnce(runtime: Runtime, event: ReceivedEvent, accepted: CommandAccepted): Promise<void> {
  const { registry } = runtime.domain;
  const facts = {
    id: deriveEventId(event.id, "again"),
    key: accepted.operationId,
    causationId: event.id,
    traceparent: event.traceparent,
  };
  await runCommit(requireWriter(runtime), async (client) => {
    if (!(await claimEvent(client, systemSubscriptions.intents, event.id))) return;
    const claim = await claimOperation(new OperationWriter(client, registry), headOf(accepted));
    if (claim.kind === "ended") return;
    client.defer(appendStatement([systemEvent(CommandAcceptedSchema, accepted, facts, registry)]));
  });
}

async function decideHere(
  runtime: Runtime,
  event: ReceivedEvent,
  accepted: CommandAccepted,
  scope: CallScope,
  conflict: ReadPrecondition,
): Promise<QuartetError | undefined> {
  const call = toCall(runtime, event, accepted, scope);
  const result = await commitDecision(
    runtime,
    scope.signal,
    () => decideCommand(runtime, call),
    (decision) => ({
      ...decision,
      cause: { ...call, causeId: event.id },
      head: headOf(accepted),
      decided: describeDecision(runtime, decision),
      claims: [{ consumer: systemSubscriptions.intents, eventId: event.id }],
      answerOf: (results) => answerOf(decision, results),
    }),
    conflict,
  );
  return result.kind === "conflict" ? keptChanging(result.conflict) : undefined;
}
