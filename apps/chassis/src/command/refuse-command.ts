import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ErrorCode } from "../error/error-codes.ts";
import { QuartetError } from "../error/quartet-error.ts";
import { CommandFailedSchema } from "../gen/quartet/v1/intent_pb.ts";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { runCommit } from "../sql/run-commit.ts";
import { isMissingGrant, translateDatabaseError } from "../sql/translate-error.ts";
import type { CommandCall } from "./command-call.ts";
import { OperationWriter } from "./operation-writer.ts";
import { claimOperation, errorToProblem, failOperation } from "./operations.ts";
import { type Runtime, requireWriter } from "./runtime.ts";
import { submitEvent } from "./submit-event.ts";

/**
 * Refusals that depend on the state of the data, and so are the command's end: the same key gets the same refusal
 * again, whatever the data has become. What the request alone makes wrong is not kept (Idempotency-Key, draft-07).
 */
const lastingRefusals: ReadonlySet<ErrorCode> = new Set([
  "not_found",
  "permission_denied",
  "already_exists",
  "failed_precondition",
]);

/** True when the error ends a command with an idempotency key for good. */
export function isLastingRefusal(error: unknown): error is QuartetError {
  return error instanceof QuartetError && lastingRefusals.has(error.code) && !isMissingGrant(error);
}

/**
 * Ends a refused command's operation as failed, in crud.
 *
 * @returns the operation when an earlier request with the same key ended it first: then that is the answer.
 */
export async function recordRefusal(
  runtime: Runtime,
  call: CommandCall,
  refusal: QuartetError,
): Promise<OperationRecord | undefined> {
  try {
    const { value } = await runCommit(requireWriter(runtime), async (client) => {
      const operations = new OperationWriter(client, runtime.domain.registry);
      const claim = await claimOperation(operations, { ...call, method: call.method.name });
      if (claim.kind === "ended") return claim.record;
      await failOperation(operations, call.operationId, errorToProblem(refusal));
      return undefined;
    });
    return value;
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

/**
 * Publishes the refusal of a command, in micro. An earlier request with the same key stays the one that counts.
 *
 * @returns false when there was one
 */
export async function publishRefusal(
  runtime: Runtime,
  call: CommandCall,
  refusal: QuartetError,
): Promise<boolean> {
  const { operationId, principal, fingerprint } = call;
  const failed = create(CommandFailedSchema, {
    operationId,
    method: call.method.name,
    principal,
    fingerprint,
    acceptTime: timestampFromDate(call.acceptTime),
    callbackUrl: call.callbackUrl ?? "",
    problem: errorToProblem(refusal),
  });
  return submitEvent(runtime, call, CommandFailedSchema, failed);
}
