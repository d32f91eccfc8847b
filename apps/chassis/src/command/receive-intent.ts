import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";
import type { CommandFailed, Intent } from "../gen/quartet/v1/intent_pb.ts";
import { type Problem, ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { runCommit } from "../sql/run-commit.ts";
import { isMissingGrant, translateDatabaseError } from "../sql/translate-error.ts";
import { commitIntent } from "./commit-intent.ts";
import { decideAgain } from "./decide-again.ts";
import type { CallScope } from "./handler-context.ts";
import { readIntent } from "./intent.ts";
import { OperationWriter } from "./operation-writer.ts";
import { claimOperation, errorToProblem, failOperation, type OperationHead } from "./operations.ts";
import { type ReceivedEvent, systemSubscriptions } from "./received-event.ts";
import { type Runtime, requireWriter } from "./runtime.ts";

/**
 * Applies an intent in one transaction, once; when what it rests on has changed, it has no effect but to be decided again
 * (`decide-again.ts`). A refusal that no retry can mend ends its operation as failed, where a
 * client can see it; without an operation it is thrown, and the event becomes a dead letter.
 */
export async function receiveIntent(
  runtime: Runtime,
  event: ReceivedEvent,
  intent: Intent,
  scope: CallScope,
): Promise<void> {
  const read = readIntent(intent, runtime.domain.registry);
  try {
    const result = await commitIntent(runtime, {
      cause: {
        causeId: event.id,
        operationId: intent.operationId,
        acceptTime: read.acceptTime,
        expectedVersion: read.expectedVersion,
        traceparent: event.traceparent,
      },
      writes: read.writes,
      events: read.events,
      preconditions: read.preconditions,
      head: read.head,
      decided: intent.decision,
      claims: [{ consumer: systemSubscriptions.intents, eventId: event.id }],
      answerOf: read.answerOf,
    });
    if (result.kind !== "conflict") return;
    const given = await decideAgain(runtime, event, intent, scope, result.conflict);
    if (given !== undefined && read.head !== undefined) {
      await recordFailure(runtime, event, read.head, errorToProblem(given));
    }
  } catch (error) {
    if (!(error instanceof QuartetError) || error.retry || read.head === undefined) throw error;
    // An older build than the one that decided, or a login without a grant: a newer one may know what to do, or may do it.
    if (error.code === "unimplemented" || isMissingGrant(error)) throw error;
    if (error.code === "key_reused") return noteReusedKey(runtime, read.head);
    await recordFailure(runtime, event, read.head, errorToProblem(error));
  }
}

/** Ends an operation whose decision was a refusal, or whose event became a dead letter. */
export async function receiveFailure(
  runtime: Runtime,
  event: ReceivedEvent,
  failed: CommandFailed,
): Promise<void> {
  const head: OperationHead = {
    operationId: failed.operationId,
    method: failed.method,
    principal: failed.principal,
    fingerprint: failed.fingerprint,
    callbackUrl: failed.callbackUrl,
    acceptTime: failed.acceptTime === undefined ? event.time : timestampDate(failed.acceptTime),
  };
  await recordFailure(runtime, event, head, failed.problem ?? create(ProblemSchema, { code: "internal" }));
}

/**
 * Two classes let the same key through with two requests before they could know of each other. The first one to be
 * committed is the operation; the other is dropped here, and its client sees the first one's outcome.
 */
export function noteReusedKey(runtime: Runtime, head: OperationHead): void {
  const { operationId, method } = head;
  runtime.log.warn({ operationId, method }, "a second request used the key of an operation; dropped");
}

async function recordFailure(
  runtime: Runtime,
  event: ReceivedEvent,
  head: OperationHead,
  problem: Problem,
): Promise<void> {
  const { registry } = runtime.domain;
  try {
    await runCommit(requireWriter(runtime), async (client) => {
      if (!(await claimEvent(client, systemSubscriptions.intents, event.id))) return;
      const operations = new OperationWriter(client, registry);
      const claim = await claimOperation(operations, head);
      if (claim.kind !== "ended") await failOperation(operations, head.operationId, problem);
    });
  } catch (error) {
    if (error instanceof QuartetError && error.code === "key_reused") return noteReusedKey(runtime, head);
    throw translateDatabaseError(error);
  }
}
