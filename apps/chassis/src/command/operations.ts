import { create, type Message, type MessageShape, type Registry } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { isErrorCode } from "../error/error-codes.ts";
import { toProblem } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import {
  type OperationRecord,
  OperationRecordSchema,
  OperationState,
} from "../gen/quartet/v1/operation_pb.ts";
import { type Problem, ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import type { SqlClient } from "../pbtable/sql-client.ts";
import { TableReader } from "../pbtable/table-reader.ts";
import { TableWriter } from "../pbtable/table-writer.ts";
import { tableOf } from "../schema/table/table.ts";
import { keyReused } from "./key-reused.ts";

/** What identifies an operation: enough to record it when it is first heard of. */
export interface OperationHead {
  readonly operationId: string;
  readonly method: string;
  readonly principal: string;
  readonly fingerprint: string;
  readonly acceptTime: Date;
}

type OperationSchema = typeof OperationRecordSchema;

export function operationReader(client: SqlClient, registry: Registry): TableReader<OperationSchema> {
  return new TableReader<OperationSchema>(tableOf(OperationRecordSchema), client, registry);
}

export function operationWriter(client: SqlClient, registry: Registry): TableWriter<OperationSchema> {
  return new TableWriter<OperationSchema>(tableOf(OperationRecordSchema), client, registry);
}

/** What a claim found: an operation not heard of before, one accepted before, or one that ended before. */
export type OperationClaim =
  | { readonly kind: "new" | "open" }
  | { readonly kind: "ended"; readonly record: OperationRecord };

/**
 * Records an operation as accepted unless it is known, and locks it until the transaction ends. States: accepted →
 * committed or failed; nothing leaves these two, so nothing may be done again for one that ended.
 *
 * @throws QuartetError `key_reused` when it was another request that used the key.
 */
export async function claimOperation(
  operations: TableWriter<OperationSchema>,
  head: OperationHead,
): Promise<OperationClaim> {
  const inserted = await operations.insertIfAbsent({
    operationId: head.operationId,
    method: head.method,
    principal: head.principal,
    fingerprint: head.fingerprint,
    state: OperationState.ACCEPTED,
    acceptTime: timestampFromDate(head.acceptTime),
  });
  if (inserted) return { kind: "new" };
  const known = await operations.getForUpdate(head.operationId);
  if (known === undefined) {
    throw new QuartetError("in_flight", "A request with this key is in flight.", { retryAfterSeconds: 1 });
  }
  requireSameRequest(known, head.fingerprint);
  return isEnded(known) ? { kind: "ended", record: known } : { kind: "open" };
}

/** @throws QuartetError `key_reused` when the record is of another request. */
export function requireSameRequest(record: OperationRecord, fingerprint: string): void {
  if (record.fingerprint === fingerprint) return;
  throw keyReused();
}

export function isEnded(record: OperationRecord): boolean {
  return record.state === OperationState.COMMITTED || record.state === OperationState.FAILED;
}

/** Ends a claimed operation with the command's answer. */
export async function commitOperation(
  operations: TableWriter<OperationSchema>,
  operationId: string,
  answer: Any | undefined,
): Promise<void> {
  await operations.update(operationId, (draft) => {
    draft.state = OperationState.COMMITTED;
    draft.endTime = timestampFromDate(new Date());
    if (answer !== undefined) draft.response = answer;
  });
}

/** Ends a claimed operation without effects. */
export async function failOperation(
  operations: TableWriter<OperationSchema>,
  operationId: string,
  problem: Problem,
): Promise<void> {
  await operations.update(operationId, (draft) => {
    draft.state = OperationState.FAILED;
    draft.endTime = timestampFromDate(new Date());
    draft.problem = problem;
  });
}

/** The answer of an ended operation, or its failure as an error: what the first request got, the second gets. */
export function readEnding(record: OperationRecord, registry: Registry): Message {
  if (record.state === OperationState.FAILED) throw problemToError(record.problem);
  const answer = record.response === undefined ? undefined : anyUnpack(record.response, registry);
  if (answer === undefined) {
    throw new QuartetError("internal", `Operation ${record.operationId} has no answer this build can read.`);
  }
  return answer;
}

export function packAnswer(message: Message, registry: Registry): Any {
  const desc = registry.getMessage(message.$typeName);
  if (desc === undefined) {
    throw new QuartetError("internal", `${message.$typeName} is not in the domain's schema.`);
  }
  return anyPack(desc, message as MessageShape<typeof desc>);
}

export function errorToProblem(error: QuartetError): Problem {
  return create(ProblemSchema, toProblem(error));
}

function problemToError(problem: Problem | undefined): QuartetError {
  const code = problem !== undefined && isErrorCode(problem.code) ? problem.code : "internal";
  return new QuartetError(code, problem?.detail ?? "The operation failed.", {
    ...(problem?.field ? { field: problem.field } : {}),
    ...(problem?.fix ? { fix: problem.fix } : {}),
  });
}
