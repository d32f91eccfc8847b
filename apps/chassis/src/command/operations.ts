import { create, type Message, type MessageShape, type Registry } from "@bufbuild/protobuf";
import { type Any, anyPack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { toProblem } from "../error/problem.ts";
import { QuartetError } from "../error/quartet-error.ts";
import {
  type OperationDecision,
  type OperationRecord,
  OperationRecordSchema,
  OperationState,
} from "../gen/quartet/v1/operation_pb.ts";
import { type Problem, ProblemSchema } from "../gen/quartet/v1/problem_pb.ts";
import { TableReader } from "../pbtable/table-reader.ts";
import { tableOf } from "../schema/table/table.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import type { KeptAnswer } from "./kept-answer.ts";
import { keyReused } from "./key-reused.ts";
import type { OperationWriter } from "./operation-writer.ts";

/** What identifies an operation: enough to record it when it is first heard of. */
export interface OperationHead {
  readonly operationId: string;
  readonly method: string;
  readonly principal: string;
  readonly fingerprint: string;
  readonly acceptTime: Date;
  /** Where its client wants its end to be pushed to. */
  readonly callbackUrl?: string | undefined;
}

type OperationSchema = typeof OperationRecordSchema;

export function operationReader(client: SqlClient, registry: Registry): TableReader<OperationSchema> {
  return new TableReader<OperationSchema>(tableOf(OperationRecordSchema), client, registry);
}

/** What a claim found: an operation not heard of before, one accepted before, or one that ended before. */
export type OperationClaim =
  | { readonly kind: "new" | "open" }
  | { readonly kind: "ended"; readonly record: OperationRecord };

/**
 * Records an operation as accepted unless it is known, and locks it until the transaction ends. States: accepted →
 * committed or failed; nothing leaves these two, so nothing may be done again for one that ended.
 *
 * @throws QuartetError `key_reused` when it was another request that used the key; `in_flight` when another transaction
 * keeps the operation locked.
 */
export async function claimOperation(
  operations: OperationWriter,
  head: OperationHead,
): Promise<OperationClaim> {
  const accepted = acceptedRecord(head);
  const known = await operations.claim(accepted);
  if (known === undefined) return { kind: "new" };
  if (isForeignCancel(known, head.principal)) {
    await operations.update(head.operationId, (draft) => {
      Object.assign(draft, create(OperationRecordSchema, accepted), {
        endTime: undefined,
        problem: undefined,
      });
    });
  } else {
    requireSameRequest(known, head.fingerprint);
    if (isEnded(known)) {
      await tellOfEarlyCancel(operations, known, head);
      return { kind: "ended", record: known };
    }
  }
  operations.unlimit();
  return { kind: "open" };
}

/** What was canceled before anything was known of it did not know whose request it is, nor where its end is to be told. */
async function tellOfEarlyCancel(
  operations: OperationWriter,
  known: OperationRecord,
  { operationId, method, fingerprint, acceptTime, callbackUrl = "" }: OperationHead,
): Promise<void> {
  if (known.fingerprint !== "") return;
  await operations.set(operationId, {
    method,
    fingerprint,
    acceptTime: timestampFromDate(acceptTime),
    callbackUrl,
  });
}

function acceptedRecord(head: OperationHead) {
  return {
    operationId: head.operationId,
    method: head.method,
    principal: head.principal,
    fingerprint: head.fingerprint,
    state: OperationState.ACCEPTED,
    acceptTime: timestampFromDate(head.acceptTime),
    callbackUrl: head.callbackUrl ?? "",
  };
}

/**
 * @throws QuartetError `key_reused` when the record is of another request. One that was canceled before anything was
 * known of it has no fingerprint, and is of whichever request comes.
 */
export function requireSameRequest(record: OperationRecord, fingerprint: string): void {
  if (record.fingerprint !== fingerprint && record.fingerprint !== "") throw keyReused();
}

/**
 * Whoever has the id of an operation of which nothing is known yet may cancel it, but only its own principal's cancel
 * counts; until the operation comes nobody can tell.
 */
export function isForeignCancel(record: OperationRecord, principal: string): boolean {
  return record.fingerprint === "" && record.principal !== principal;
}

export function isEnded(record: OperationRecord): boolean {
  return record.state === OperationState.COMMITTED || record.state === OperationState.FAILED;
}

/** What is kept of a committed operation. */
export interface OperationEnding {
  readonly answer: KeptAnswer | undefined;
  readonly decision: OperationDecision | undefined;
  readonly events: readonly { readonly id: string; readonly type: string }[];
}

/** Ends a claimed operation with the command's answer. */
export async function commitOperation(
  operations: OperationWriter,
  operationId: string,
  { answer, decision, events }: OperationEnding,
  registry: Registry,
): Promise<void> {
  await operations.set(operationId, {
    state: OperationState.COMMITTED,
    endTime: timestampFromDate(new Date()),
    ...(answer === undefined ? {} : keptFields(answer, registry)),
    ...(decision === undefined ? {} : { decision }),
    events: events.map(({ id, type }) => ({ id, type })),
  });
}

function keptFields(answer: KeptAnswer, registry: Registry) {
  const { json: answerJson, status: answerStatus, version } = answer;
  const response = packAnswer(answer.message(), registry);
  return { response, answerJson, answerStatus, ...(version === undefined ? {} : { answerVersion: version }) };
}

/** Ends a claimed operation without effects. */
export async function failOperation(
  operations: OperationWriter,
  operationId: string,
  problem: Problem,
): Promise<void> {
  await operations.set(operationId, {
    state: OperationState.FAILED,
    endTime: timestampFromDate(new Date()),
    problem,
  });
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
