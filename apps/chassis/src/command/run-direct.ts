import type { Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { createEventId } from "../outbox/event-id.ts";
import type { Decision } from "../service/decision.ts";
import { Written } from "../service/written.ts";
import type { CommandAnswer, CommandCall, CommandRefusal } from "./command-call.ts";
import { commitDecision, keptChanging } from "./commit-decision.ts";
import { decideCommand } from "./decide.ts";
import { describeDecision } from "./describe-decision.ts";
import { endedOutcome } from "./ended-outcome.ts";
import { requireSameRequest } from "./operations.ts";
import { isLastingRefusal, recordRefusal } from "./refuse-command.ts";
import { type Runtime, requireMain } from "./runtime.ts";

/** Pause before another process' run of the same command is looked at again, unless it is seen to have ended before. */
const lookAgainMs = 100;

/**
 * Runs a command in the crud class while the client waits: decided off the primary, then written in one short
 * transaction. No connection is held while the handler computes or calls down.
 *
 * While another process writes for a request with the same key, this one waits for that one's end, by the watcher, until
 * its own deadline. When the other comes to nothing, as when it dies, this one is the first.
 */
export async function runDirect(
  runtime: Runtime,
  call: CommandCall,
): Promise<CommandAnswer | CommandRefusal> {
  let waitingFor: QuartetError | undefined;
  for (;;) {
    try {
      return await runOnce(runtime, call);
    } catch (error) {
      if (call.keyed && error instanceof QuartetError && error.code === "in_flight") waitingFor = error;
      // What the last moment of the call's time brought says less than what it was spent on.
      else if (waitingFor === undefined || !isOver(call)) throw error;
    }
    if (isOver(call)) throw waitingFor;
    const untilMs = Math.min(call.deadlineMs, Date.now() + lookAgainMs);
    await requireMain(runtime).operations.wait(call.operationId, untilMs, call.signal);
  }
}

function isOver({ signal, deadlineMs }: CommandCall): boolean {
  return signal.aborted || Date.now() >= deadlineMs;
}

async function runOnce(runtime: Runtime, call: CommandCall): Promise<CommandAnswer | CommandRefusal> {
  const replay = await readReplay(runtime, call);
  if (replay !== undefined) return replay;
  try {
    return await decideAndCommit(runtime, call);
  } catch (error) {
    if (!call.keyed || !isLastingRefusal(error)) throw error;
    const ended = await recordRefusal(runtime, call, error);
    const outcome = ended && (await endedOutcome(runtime, call, ended, true));
    if (outcome === undefined) throw error;
    return outcome;
  }
}

async function decideAndCommit(runtime: Runtime, call: CommandCall): Promise<CommandAnswer | CommandRefusal> {
  const createId = () => createEventId(call.acceptTime.getTime());
  const causeId = createId();
  const result = await commitDecision(
    runtime,
    call.signal,
    () => decideCommand(runtime, call),
    (decision) => ({
      ...decision,
      cause: { ...call, causeId },
      // Its cause is this very run, so there is no other that would have to come to the same ids.
      eventIdOf: createId,
      head: call.keyed ? { ...call, method: call.method.name } : undefined,
      decided: describeDecision(runtime, decision),
      deadlineMs: call.deadlineMs,
      wantsPosition: true,
      claims: [],
      answerOf: (results) => answerOf(decision, results),
    }),
  );
  if (result.kind === "conflict") throw keptChanging(result.conflict);
  if (result.kind === "ended") {
    const outcome = await endedOutcome(runtime, call, result.record, true);
    if (outcome !== undefined) return outcome;
  } else if (result.kind === "committed" && result.answer !== undefined) {
    const { answer, position } = result;
    const operationId = call.keyed ? call.operationId : undefined;
    return { kind: "answered", answer, position, replayed: false, operationId };
  }
  throw new QuartetError("internal", `${call.method.name} ended without an answer.`);
}

/** What an earlier request with the same key got, as far as this process' database shows it. */
export async function readReplay(
  runtime: Runtime,
  call: CommandCall,
): Promise<CommandAnswer | CommandRefusal | undefined> {
  const record = await readKnown(runtime, call);
  // One that was canceled before anything was known of it does not know yet whose request it is: its claim tells it.
  if (record === undefined || record.fingerprint === "") return undefined;
  return endedOutcome(runtime, call, record, true);
}

/**
 * The operation that an earlier request with the same key began, as far as this process' database shows it.
 *
 * @throws QuartetError `key_reused` when it was another request.
 */
export async function readKnown(runtime: Runtime, call: CommandCall): Promise<OperationRecord | undefined> {
  if (!call.keyed) return undefined;
  const record = await requireMain(runtime).operations.lookup.get(call.operationId);
  if (record !== undefined) requireSameRequest(record, call.fingerprint);
  return record;
}

/** The answer that a decision gives once its writes have run. */
export function answerOf(decision: Decision, results: readonly Message[]): Message | undefined {
  return decision.answer instanceof Written ? results[decision.answer.index] : decision.answer;
}
