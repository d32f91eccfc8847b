import type { Message } from "@bufbuild/protobuf";
import type { PoolClient } from "pg";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { type Attribution, runTransaction } from "../pbtable/run-transaction.ts";
import { translateDatabaseError } from "../pbtable/translate-error.ts";
import type { DecidedEvent, DecidedWrite } from "../service/decision.ts";
import { applyWrites, type Cause } from "./apply-writes.ts";
import {
  claimOperation,
  commitOperation,
  type OperationHead,
  operationWriter,
  packAnswer,
} from "./operations.ts";
import { type Runtime, requireWriter } from "./runtime.ts";

/** What is to be committed in one transaction of the crud class. */
export interface Commit {
  readonly cause: Cause;
  readonly writes: readonly DecidedWrite[];
  readonly events: readonly DecidedEvent[];
  /** The operation this ends; undefined when nobody will ask for it. */
  readonly head: OperationHead | undefined;
  /** Inbox entries that must all be new for the effects to happen. */
  readonly claims: readonly InboxClaim[];
  answerOf(results: readonly Message[]): Message | undefined;
}

export interface InboxClaim {
  readonly consumer: string;
  readonly eventId: string;
}

/** What the transaction did. */
export type CommitResult =
  | { readonly kind: "committed"; readonly answer: Message | undefined }
  /** An event that had its effect before. */
  | { readonly kind: "duplicate" }
  /** An operation that ended before. */
  | { readonly kind: "ended"; readonly record: OperationRecord };

/**
 * Commits a decision: inbox claims, operation, writes and events in one transaction of the primary. Done twice, it
 * has its effects once.
 *
 * @throws QuartetError what a write threw, after the transaction was undone.
 */
export async function commitIntent(runtime: Runtime, commit: Commit): Promise<CommitResult> {
  try {
    return await runTransaction(
      requireWriter(runtime),
      (client) => commitInside(client, runtime, commit),
      attributionOf(commit),
    );
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

/** Whose changes the transaction makes, as histories record it. */
function attributionOf({ cause, head }: Commit): Attribution {
  return {
    principal: cause.principal ?? head?.principal ?? "",
    operationId: cause.operationId || cause.causeId,
  };
}

async function commitInside(client: PoolClient, runtime: Runtime, commit: Commit): Promise<CommitResult> {
  const { registry } = runtime.domain;
  for (const { consumer, eventId } of commit.claims) {
    if (!(await claimEvent(client, consumer, eventId))) return { kind: "duplicate" };
  }
  const operations = operationWriter(client, registry);
  if (commit.head !== undefined) {
    const claim = await claimOperation(operations, commit.head);
    if (claim.kind === "ended") return claim;
  }
  const results = await applyWrites(client, runtime.domain, commit.cause, commit);
  const answer = commit.answerOf(results);
  if (commit.head !== undefined) {
    const packed = answer === undefined ? undefined : packAnswer(answer, registry);
    await commitOperation(operations, commit.head.operationId, packed);
  }
  return { kind: "committed", answer };
}
