import { IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import type { Decision } from "../service/decision.ts";
import type { CommandCall, CommandOutcome } from "./command-call.ts";
import { decideCommand } from "./decide.ts";
import { describeDecision } from "./describe-decision.ts";
import { endedOutcome } from "./ended-outcome.ts";
import { encodeIntent } from "./intent.ts";
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
  const begin = async () => (await readReplay(runtime, call)) ?? (await submitDecision(runtime, call));
  const { running } = requireMain(runtime).operations;
  const { value, attached } = call.keyed
    ? await running.join("offloaded", call, begin)
    : { value: await begin(), attached: false };
  if (typeof value !== "boolean") return value;
  return awaitOutcome(runtime, call, attached || !value);
}

/**
 * Waits for an operation to end as far as the client's time allows.
 *
 * @param replayed an earlier request with the same key began it
 */
export async function awaitOutcome(
  runtime: Runtime,
  call: CommandCall,
  replayed: boolean,
): Promise<CommandOutcome> {
  const { operations } = requireMain(runtime);
  const record = await operations.wait(call.operationId, call.deadlineMs, call.signal);
  const outcome = record && (await endedOutcome(runtime, call, record, replayed));
  return outcome ?? { kind: "accepted", operationId: call.operationId };
}

/** Decides and publishes what is to become of the command. @returns false when an earlier request has done that */
async function submitDecision(runtime: Runtime, call: CommandCall): Promise<boolean> {
  try {
    return await submitIntent(runtime, call, await decideCommand(runtime, call));
  } catch (error) {
    if (!call.keyed || !isLastingRefusal(error)) throw error;
    // Another request with this key may be on its way, here or in crud: what the operation becomes is the answer.
    return publishRefusal(runtime, call, error);
  }
}

async function submitIntent(runtime: Runtime, call: CommandCall, decision: Decision): Promise<boolean> {
  const head = { ...call, method: call.method.name, decided: describeDecision(runtime, decision) };
  const intent = encodeIntent(decision, head, runtime.domain.registry);
  return submitEvent(runtime, call, IntentSchema, intent);
}
