import type { Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { createEventId } from "../outbox/event-id.ts";
import { takePosition } from "../position/take-position.ts";
import type { Decision } from "../service/decision.ts";
import { Written } from "../service/written.ts";
import type { CommandAnswer, CommandCall } from "./command-call.ts";
import { commitIntent } from "./commit-intent.ts";
import { decideCommand } from "./decide.ts";
import { isEnded, operationReader, readEnding, requireSameRequest } from "./operations.ts";
import { isLastingRefusal, recordRefusal } from "./refuse-command.ts";
import { type Runtime, requireMain } from "./runtime.ts";

/**
 * Runs a command in the crud class while the client waits: decided off the primary, then written in one short
 * transaction. No connection is held while the handler computes or calls down.
 */
export async function runDirect(runtime: Runtime, call: CommandCall): Promise<CommandAnswer> {
  const replay = await readReplay(runtime, call);
  if (replay !== undefined) return replay;
  try {
    return await decideAndCommit(runtime, call);
  } catch (error) {
    if (!call.keyed || !isLastingRefusal(error)) throw error;
    const ended = await recordRefusal(runtime, call, error);
    if (ended === undefined) throw error;
    return answered(runtime, call, readEnding(ended, runtime.domain.registry), true);
  }
}

async function decideAndCommit(runtime: Runtime, call: CommandCall): Promise<CommandAnswer> {
  const decision = await decideCommand(runtime, call);
  const result = await commitIntent(runtime, {
    cause: { ...call, causeId: createEventId(call.acceptTime.getTime()) },
    writes: decision.writes,
    events: decision.events,
    head: call.keyed ? { ...call, method: call.method.name } : undefined,
    claims: [],
    answerOf: (results) => answerOf(decision, results),
  });
  if (result.kind === "ended") {
    return answered(runtime, call, readEnding(result.record, runtime.domain.registry), true);
  }
  if (result.kind === "duplicate" || result.answer === undefined) {
    throw new QuartetError("internal", `${call.method.name} ended without an answer.`);
  }
  return answered(runtime, call, result.answer, false);
}

/** The answer of an earlier request with the same key, as far as this process' database shows it. */
export async function readReplay(runtime: Runtime, call: CommandCall): Promise<CommandAnswer | undefined> {
  const record = await readKnown(runtime, call);
  if (record === undefined || !isEnded(record)) return undefined;
  return answered(runtime, call, readEnding(record, runtime.domain.registry), true);
}

/**
 * The operation that an earlier request with the same key began, as far as this process' database shows it.
 *
 * @throws QuartetError `key_reused` when it was another request.
 */
export async function readKnown(runtime: Runtime, call: CommandCall): Promise<OperationRecord | undefined> {
  if (!call.keyed) return undefined;
  const reader = operationReader(requireMain(runtime).pool, runtime.domain.registry);
  const record = await reader.get(call.operationId);
  if (record !== undefined) requireSameRequest(record, call.fingerprint);
  return record;
}

/** The answer that a decision gives once its writes have run. */
export function answerOf(decision: Decision, results: readonly Message[]): Message | undefined {
  return decision.answer instanceof Written ? results[decision.answer.index] : decision.answer;
}

async function answered(
  runtime: Runtime,
  call: CommandCall,
  answer: Message,
  replayed: boolean,
): Promise<CommandAnswer> {
  return {
    kind: "answered",
    answer,
    replayed,
    // Committed already: a lost connection now must not turn the answer into an error.
    position: await takePosition(requireMain(runtime).pool).catch(() => undefined),
    operationId: call.keyed ? call.operationId : undefined,
  };
}
