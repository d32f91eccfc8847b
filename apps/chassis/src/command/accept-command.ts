import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { PoolClient } from "pg";
import { CommandAcceptedSchema } from "../gen/quartet/v1/intent_pb.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { createEventId } from "../outbox/event-id.ts";
import { runTransaction } from "../pbtable/run-transaction.ts";
import { translateDatabaseError } from "../pbtable/translate-error.ts";
import type { CommandAcceptance, CommandCall } from "./command-call.ts";
import { gateCommand } from "./gate-command.ts";
import { claimOperation, operationWriter, packAnswer } from "./operations.ts";
import { systemEvent } from "./publish-system-event.ts";
import { type Runtime, requireOutbox } from "./runtime.ts";

/**
 * Accepts a command before anything of it is computed. Once this returns, the command is durable in the outbox: it
 * will be decided, and end as committed or failed.
 *
 * @throws QuartetError `key_reused` when the key was used for another request.
 */
export async function acceptCommand(runtime: Runtime, call: CommandCall): Promise<CommandAcceptance> {
  const { registry } = runtime.domain;
  const accepted = create(CommandAcceptedSchema, {
    operationId: call.operationId,
    method: call.method.name,
    principal: call.principal,
    fingerprint: call.fingerprint,
    acceptTime: timestampFromDate(call.acceptTime),
    request: packAnswer(call.request, registry),
  });
  const event = systemEvent(
    CommandAcceptedSchema,
    accepted,
    {
      id: createEventId(call.acceptTime.getTime()),
      key: call.operationId,
      causationId: undefined,
      traceparent: call.traceparent,
    },
    registry,
  );
  try {
    await runTransaction(requireOutbox(runtime), async (client) => {
      if (await isFirst(runtime, call, client)) await appendEvents(client, [event]);
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
  return { kind: "accepted", operationId: call.operationId };
}

/** In crud the operation itself tells whether the key was used before; a micro may only insert, and has its gate. */
async function isFirst(runtime: Runtime, call: CommandCall, client: PoolClient): Promise<boolean> {
  if (runtime.found.serviceClass !== "crud") return gateCommand(client, call.operationId, call.fingerprint);
  const operations = operationWriter(client, runtime.domain.registry);
  const claim = await claimOperation(operations, { ...call, method: call.method.name });
  return claim.kind === "new";
}
