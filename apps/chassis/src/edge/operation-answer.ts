import { create } from "@bufbuild/protobuf";
import { anyPack, type Timestamp } from "@bufbuild/protobuf/wkt";
import { isErrorCode } from "../error/error-codes.ts";
import { rpcNumberOf } from "../error/rpc-number.ts";
import {
  type Operation,
  OperationMetadataSchema,
  type OperationRecord,
  OperationSchema,
  OperationState,
  StatusSchema,
} from "../gen/quartet/v1/operation_pb.ts";
import { ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";

/** An operation's record as the `google.longrunning.Operation` that clients see. */
export function toOperation(record: OperationRecord): Operation {
  const { operationId, method, state, acceptTime, endTime, response, problem } = record;
  return create(OperationSchema, {
    name: `operations/${operationId}`,
    done: state === OperationState.COMMITTED || state === OperationState.FAILED,
    metadata: packMetadata(method, state, acceptTime, endTime),
    result:
      state === OperationState.COMMITTED && response !== undefined
        ? { case: "response", value: response }
        : state === OperationState.FAILED
          ? { case: "error", value: toStatus(problem) }
          : { case: undefined },
  });
}

/** An operation that was issued, of which this process' database does not show anything yet. */
export function toAcceptedOperation(operationId: string): Operation {
  return create(OperationSchema, {
    name: `operations/${operationId}`,
    done: false,
    metadata: packMetadata("", OperationState.ACCEPTED, undefined, undefined),
  });
}

function packMetadata(
  method: string,
  state: OperationState,
  acceptTime: Timestamp | undefined,
  endTime: Timestamp | undefined,
) {
  const metadata = create(OperationMetadataSchema, { method, state });
  if (acceptTime !== undefined) metadata.acceptTime = acceptTime;
  if (endTime !== undefined) metadata.endTime = endTime;
  return anyPack(OperationMetadataSchema, metadata);
}

function toStatus(problem: OperationRecord["problem"]) {
  const code = problem !== undefined && isErrorCode(problem.code) ? problem.code : "internal";
  return create(StatusSchema, {
    code: rpcNumberOf(code),
    message: problem?.detail ?? "",
    details: problem === undefined ? [] : [anyPack(ProblemSchema, problem)],
  });
}
