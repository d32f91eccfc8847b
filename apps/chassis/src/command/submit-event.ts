import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import { appendStatement } from "../outbox/append-events.ts";
import { createEventId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import type { TransactionClient } from "../sql/open-transaction.ts";
import { runCommit } from "../sql/run-commit.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import type { CommandCall } from "./command-call.ts";
import { OperationWriter } from "./operation-writer.ts";
import { claimOperation } from "./operations.ts";
import { systemEvent } from "./publish-system-event.ts";
import { type Runtime, requireOutbox } from "./runtime.ts";
import { Submissions } from "./submissions.ts";

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
    // Before it is submitted nothing is promised, and who asked may have gone; from then on it is carried out.
    if (runtime.found.serviceClass !== "crud" && call.keyed)
      return await submissionsOf(requireOutbox(runtime)).submit({ ...call, event });
    return await submitInside(runtime, call, event);
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

const submissions = new WeakMap<Pool, Submissions>();

function submissionsOf(pool: Pool): Submissions {
  const found = submissions.get(pool) ?? new Submissions(pool);
  submissions.set(pool, found);
  return found;
}

/** In crud the operation itself tells whether the key was used before. */
async function submitInside(runtime: Runtime, call: CommandCall, event: OutboxEvent): Promise<boolean> {
  const submit = async (client: TransactionClient) => {
    const first = !call.keyed || (await isNew(runtime, call, client));
    if (first) client.defer(appendStatement([event]));
    return first;
  };
  const { value } = await runCommit(requireOutbox(runtime), submit, { deadlineMs: call.deadlineMs });
  return value;
}

async function isNew(runtime: Runtime, call: CommandCall, client: TransactionClient): Promise<boolean> {
  const operations = new OperationWriter(client, runtime.domain.registry);
  const claim = await claimOperation(operations, { ...call, method: call.method.name });
  return claim.kind === "new";
}
