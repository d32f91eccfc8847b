import { create, type Message, type Registry } from "@bufbuild/protobuf";
import { type Any, anyPack, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CausingEvent,
  CommandFailedSchema,
  type Intent,
  IntentSchema,
  type ReadPrecondition,
} from "../gen/quartet/v1/intent_pb.ts";
import type { OperationDecision } from "../gen/quartet/v1/operation_pb.ts";
import { unpackAny } from "../schema/unpack-any.ts";
import type { DecidedEvent, DecidedWrite, Decision } from "../service/decision.ts";
import { Written } from "../service/written.ts";
import { type OperationHead, packAnswer } from "./operations.ts";

/** The command that an intent is of, and what it takes to decide it again. */
export interface IntentHead extends OperationHead {
  readonly expectedVersion: bigint | undefined;
  readonly request: Message;
  /** Which decision about the request this is, from 1; undefined: the first. */
  readonly attempt?: number | undefined;
  /** Who decided. */
  readonly decided?: OperationDecision | undefined;
}

/**
 * Builds before preconditions would apply the intent without a look at them. No build knows a write with this input:
 * those refuse the intent as `unimplemented`, which the relay tries again elsewhere; later ones leave it out.
 */
const refusedByOldBuilds = anyPack(CommandFailedSchema, create(CommandFailedSchema));

/**
 * A decision as the message that carries it to the crud class.
 *
 * @param head undefined for a reaction
 * @param cause of a reaction
 */
export function encodeIntent(
  decision: Decision,
  head: IntentHead | undefined,
  registry: Registry,
  cause?: CausingEvent,
): Intent {
  const rests = decision.preconditions.length > 0;
  return create(IntentSchema, {
    operationId: head?.operationId ?? "",
    method: head?.method ?? "",
    principal: head?.principal ?? "",
    fingerprint: head?.fingerprint ?? "",
    acceptTime: timestampFromDate(head?.acceptTime ?? new Date()),
    callbackUrl: head?.callbackUrl ?? "",
    writes: [
      ...decision.writes.map(({ input }) => packAnswer(input, registry)),
      ...(rests ? [refusedByOldBuilds] : []),
    ],
    events: decision.events.map((decided) => encodeEvent(decided, registry)),
    answer: encodeAnswer(decision.answer, registry),
    ...(head?.expectedVersion === undefined ? {} : { expectedVersion: head.expectedVersion }),
    attempt: head?.attempt ?? 1,
    ...(head?.decided === undefined ? {} : { decision: head.decided }),
    ...(rests ? { preconditions: [...decision.preconditions] } : {}),
    ...(rests && head !== undefined ? { request: packAnswer(head.request, registry) } : {}),
    ...(rests && cause !== undefined ? { cause } : {}),
  });
}

function encodeEvent({ event, key, deliverAfter }: DecidedEvent, registry: Registry) {
  return {
    event: packAnswer(event, registry),
    key: key ?? "",
    ...(deliverAfter === undefined ? {} : { deliverAfter: timestampFromDate(deliverAfter) }),
  };
}

function encodeAnswer(answer: Decision["answer"], registry: Registry): Intent["answer"] {
  if (answer === undefined) return { case: undefined };
  if (answer instanceof Written) return { case: "answerOfWrite", value: answer.index };
  return { case: "answerValue", value: packAnswer(answer, registry) };
}

/** What an intent wants written, with its messages unpacked. */
export interface ReadIntent {
  /** Undefined for a reaction's intent. */
  readonly head: OperationHead | undefined;
  readonly acceptTime: Date;
  readonly expectedVersion: bigint | undefined;
  readonly writes: readonly DecidedWrite[];
  readonly events: readonly DecidedEvent[];
  readonly preconditions: readonly ReadPrecondition[];
  /** The command's answer, given the results of its writes. */
  answerOf(results: readonly Message[]): Message | undefined;
}

/** @throws QuartetError `unimplemented` when a message is of a type this build does not know; another one may. */
export function readIntent(intent: Intent, registry: Registry): ReadIntent {
  const acceptTime = intent.acceptTime === undefined ? new Date() : timestampDate(intent.acceptTime);
  const { operationId, method, principal, fingerprint, callbackUrl, answer } = intent;
  return {
    head:
      operationId === ""
        ? undefined
        : { operationId, method, principal, fingerprint, acceptTime, callbackUrl },
    acceptTime,
    expectedVersion: intent.expectedVersion,
    preconditions: intent.preconditions,
    writes: intent.writes.filter(isWrite).map((any) => {
      const { desc, message } = unpackAny(any, registry);
      return { desc, input: message };
    }),
    events: intent.events.map(({ event, key, deliverAfter }) => {
      const { desc, message } = unpackAny(event, registry);
      const time = deliverAfter === undefined ? undefined : timestampDate(deliverAfter);
      return { desc, event: message, key: key || undefined, deliverAfter: time };
    }),
    answerOf: (results) =>
      answer.case === "answerValue" ? unpackAny(answer.value, registry).message : results[answer.value ?? -1],
  };
}

function isWrite({ typeUrl }: Any): boolean {
  return typeUrl !== refusedByOldBuilds.typeUrl;
}
