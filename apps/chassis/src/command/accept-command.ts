import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { CommandAcceptedSchema } from "../gen/quartet/v1/intent_pb.ts";
import type { CommandCall } from "./command-call.ts";
import { packAnswer } from "./operations.ts";
import type { Runtime } from "./runtime.ts";
import { submitEvent } from "./submit-event.ts";

/**
 * Accepts a command before anything of it is computed. Once this returns, the command is durable in the outbox: it
 * will be decided, and end as committed or failed.
 *
 * @returns false when an earlier request with the same key is what was accepted
 * @throws QuartetError `key_reused` when the key was used for another request.
 */
export async function acceptCommand(runtime: Runtime, call: CommandCall): Promise<boolean> {
  const accepted = create(CommandAcceptedSchema, {
    operationId: call.operationId,
    method: call.method.name,
    principal: call.principal,
    fingerprint: call.fingerprint,
    acceptTime: timestampFromDate(call.acceptTime),
    request: packAnswer(call.request, runtime.domain.registry),
    callbackUrl: call.callbackUrl ?? "",
    position: call.position ?? "",
    ...(call.expectedVersion === undefined ? {} : { expectedVersion: call.expectedVersion }),
  });
  return submitEvent(runtime, call, CommandAcceptedSchema, accepted);
}
