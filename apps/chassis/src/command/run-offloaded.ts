import { IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { takePosition } from "../position/take-position.ts";
import type { Decision } from "../service/decision.ts";
import type { CommandCall, CommandOutcome } from "./command-call.ts";
import { decideCommand } from "./decide.ts";
import { encodeIntent } from "./intent.ts";
import { readEnding, requireSameRequest } from "./operations.ts";
import { isLastingRefusal, publishRefusal } from "./refuse-command.ts";
import { readReplay } from "./run-direct.ts";
import { type Runtime, requireMain } from "./runtime.ts";
import { submitEvent } from "./submit-event.ts";

/**
 * Runs a command in the micro class while the client waits: decided off the replica, its writes published as one
 * intent, its end seen on the replica. When the client's time is over first, the command is accepted, not lost: the
 * outcome names its operation.
 */
export async function runOffloaded(runtime: Runtime, call: CommandCall): Promise<CommandOutcome> {
  const replay = await readReplay(runtime, call);
  if (replay !== undefined) return replay;
  try {
    await submitIntent(runtime, call, await decideCommand(runtime, call));
  } catch (error) {
    if (!call.keyed || !isLastingRefusal(error)) throw error;
    // Another request with this key may be on its way, here or in crud: what the operation becomes is the answer.
    await publishRefusal(runtime, call, error);
  }
  return awaitOutcome(runtime, call);
}

/** Waits for an operation to end as far as the client's time allows. */
export async function awaitOutcome(runtime: Runtime, call: CommandCall): Promise<CommandOutcome> {
  const { pool, operations } = requireMain(runtime);
  const record = await operations.wait(call.operationId, call.deadlineMs, call.signal);
  if (record === undefined) return { kind: "accepted", operationId: call.operationId };
  requireSameRequest(record, call.fingerprint);
  return {
    kind: "answered",
    answer: readEnding(record, runtime.domain.registry),
    position: await takePosition(pool).catch(() => undefined),
    replayed: false,
    operationId: call.operationId,
  };
}

async function submitIntent(runtime: Runtime, call: CommandCall, decision: Decision): Promise<void> {
  const intent = encodeIntent(decision, { ...call, method: call.method.name }, runtime.domain.registry);
  await submitEvent(runtime, call, IntentSchema, intent);
}
