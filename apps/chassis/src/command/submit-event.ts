import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { PoolClient } from "pg";
import { appendEvents } from "../outbox/append-events.ts";
import { createEventId } from "../outbox/event-id.ts";
import { runTransaction } from "../pbtable/run-transaction.ts";
import { translateDatabaseError } from "../pbtable/translate-error.ts";
import type { CommandCall } from "./command-call.ts";
import { gateCommand } from "./gate-command.ts";
import { claimOperation, operationWriter } from "./operations.ts";
import { systemEvent } from "./publish-system-event.ts";
import { type Runtime, requireOutbox } from "./runtime.ts";

/**
 * Publishes what is to become of a command: its acceptance, its intent, or its refusal. Of requests with the same key
 * the first one that gets here counts; the others publish nothing, and may attach to its operation.
 *
 * @returns whether this one counts
 * @throws QuartetError `key_reused` when the key was used for another request.
 */
export async function submitEvent<D extends DescMessage>(
  runtime: Runtime,
  call: CommandCall,
  desc: D,
  message: MessageShape<D>,
): Promise<boolean> {
  const facts = {
    id: createEventId(call.acceptTime.getTime()),
    key: call.operationId,
    causationId: undefined,
    traceparent: call.traceparent,
  };
  const event = systemEvent(desc, message, facts, runtime.domain.registry);
  try {
    const submit = async (client: PoolClient) => {
      const first = !call.keyed || (await isFirst(runtime, call, client));
      if (first) await appendEvents(client, [event]);
      return first;
    };
    // Before it is submitted nothing is promised, and who asked may have gone; from then on it is carried out.
    return await runTransaction(requireOutbox(runtime), submit, undefined, call.deadlineMs);
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

/** In crud the operation itself tells whether the key was used before; a micro may only insert, and has its gate. */
async function isFirst(runtime: Runtime, call: CommandCall, client: PoolClient): Promise<boolean> {
  if (runtime.found.serviceClass !== "crud") return gateCommand(client, call.operationId, call.fingerprint);
  const operations = operationWriter(client, runtime.domain.registry);
  const claim = await claimOperation(operations, { ...call, method: call.method.name });
  return claim.kind === "new";
}
