import { timestampDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";
import type { CommandAccepted } from "../gen/quartet/v1/intent_pb.ts";
import { unpackAny } from "../schema/unpack-any.ts";
import type { CommandCall } from "./command-call.ts";
import type { CallScope } from "./handler-context.ts";
import type { OperationHead } from "./operations.ts";
import type { ReceivedEvent } from "./received-event.ts";
import type { Runtime } from "./runtime.ts";

/**
 * The call that an accepted command asks for.
 *
 * @throws QuartetError `unimplemented` when this build has no such method.
 */
export function toCall(
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
    request: unpackAny(accepted.request, runtime.domain.registry).message,
    keyed: true,
    expectedVersion: accepted.expectedVersion,
    deadlineMs: scope.deadlineMs,
    signal: scope.signal,
    traceparent: event.traceparent,
  };
}

/** The operation of an accepted command. */
export function headOf(accepted: CommandAccepted): OperationHead {
  const { operationId, method, principal, fingerprint, callbackUrl, acceptTime } = accepted;
  return {
    operationId,
    method,
    principal,
    fingerprint,
    callbackUrl,
    acceptTime: acceptTime === undefined ? new Date() : timestampDate(acceptTime),
  };
}
