import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type OperationDecision, OperationDecisionSchema } from "../gen/quartet/v1/operation_pb.ts";
import type { Decision } from "../service/decision.ts";
import type { Runtime } from "./runtime.ts";

/** Who has decided just now, for the operation's fate. */
export function describeDecision({ node, found }: Runtime, decision: Decision): OperationDecision {
  return create(OperationDecisionSchema, {
    decideTime: timestampFromDate(new Date()),
    node,
    class: found.serviceClass,
    reads: decision.preconditions.length,
  });
}
