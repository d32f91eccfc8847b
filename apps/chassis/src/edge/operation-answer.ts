import { create, type Registry, toJsonString } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
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

/**
 * An operation's record as the `google.longrunning.Operation` that clients see.
 *
 * @param position one at or past its commit, where it is known
 */
export function toOperation(record: OperationRecord, position?: string): Operation {
  const { operationId, state, response, problem } = record;
  return create(OperationSchema, {
    name: `operations/${operationId}`,
    done: state === OperationState.COMMITTED || state === OperationState.FAILED,
    metadata: packMetadata({ ...record, position }),
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
    metadata: packMetadata({ state: OperationState.ACCEPTED }),
  });
}

const acceptedTexts = new WeakMap<Registry, string>();
const anyId = "{id}";

/** {@link toAcceptedOperation} as JSON: of each one only the name is its own. */
export function printAcceptedOperation(operationId: string, registry: Registry): string {
  const options = { registry, alwaysEmitImplicit: true };
  const text =
    acceptedTexts.get(registry) ?? toJsonString(OperationSchema, toAcceptedOperation(anyId), options);
  acceptedTexts.set(registry, text);
  return text.replace(anyId, operationId);
}

/** What of an operation's fate is known. */
type Fate = Pick<OperationRecord, "state"> &
  Partial<Pick<OperationRecord, "method" | "acceptTime" | "endTime" | "decision" | "events">> & {
    readonly position?: string | undefined;
  };

function packMetadata({ state, method = "", position = "", events = [], ...times }: Fate) {
  const metadata = create(OperationMetadataSchema, { method, state, position, events });
  const { acceptTime, endTime, decision } = times;
  if (acceptTime !== undefined) metadata.acceptTime = acceptTime;
  if (endTime !== undefined) metadata.endTime = endTime;
  if (decision !== undefined) metadata.decision = decision;
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
