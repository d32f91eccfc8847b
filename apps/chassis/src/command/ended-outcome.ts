import { create } from "@bufbuild/protobuf";
import { type OperationRecord, OperationState } from "../gen/quartet/v1/operation_pb.ts";
import { ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import { takePosition } from "../position/take-position.ts";
import type { CommandAnswer, CommandCall, CommandRefusal } from "./command-call.ts";
import { readKeptAnswer } from "./kept-answer.ts";
import { isEnded, isForeignCancel, requireSameRequest } from "./operations.ts";
import { type Runtime, requireMain } from "./runtime.ts";

/**
 * What an operation's record is for a request with its key: its outcome, or undefined while it has none.
 *
 * @throws QuartetError `key_reused` when it was another request.
 */
export async function endedOutcome(
  runtime: Runtime,
  call: CommandCall,
  record: OperationRecord,
  replayed: boolean,
): Promise<CommandAnswer | CommandRefusal | undefined> {
  if (isForeignCancel(record, call.principal)) return undefined;
  requireSameRequest(record, call.fingerprint);
  if (!isEnded(record)) return undefined;
  const { operationId } = record;
  const position = await placeNow(runtime);
  if (record.state === OperationState.FAILED) {
    const problem = record.problem ?? create(ProblemSchema, { code: "internal", status: 500 });
    return { kind: "refused", problem, position, replayed, operationId };
  }
  const answer = readKeptAnswer(record, runtime.domain.registry);
  return { kind: "answered", answer, replayed, position, operationId };
}

/** What is known of the operation is there already: a lost connection now must not turn its outcome into an error. */
export async function placeNow(runtime: Runtime): Promise<string | undefined> {
  return takePosition(requireMain(runtime).pool).catch(() => undefined);
}
