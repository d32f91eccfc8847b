import type { Message } from "@bufbuild/protobuf";
import type { Problem } from "../gen/quartet/v1/problem_pb.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { Answer } from "./answer.ts";

/** One command on its way: what was asked, by whom, under which operation, until when. */
export interface CommandCall {
  readonly method: DomainMethod;
  readonly request: Message;
  readonly operationId: string;
  /** The client gave an idempotency key: the operation is recorded and its answer replayed. */
  readonly keyed: boolean;
  readonly principal: string;
  readonly fingerprint: string;
  readonly acceptTime: Date;
  /** The version that `If-Match` names. */
  readonly expectedVersion: bigint | undefined;
  /** `Quartet-Position`: decide at or past it. */
  readonly position?: string | undefined;
  /** Where the client wants the operation's end to be pushed to. */
  readonly callbackUrl?: string | undefined;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly traceparent: string | undefined;
}

/** How a command ended for its caller. */
export type CommandOutcome = CommandAnswer | CommandRefusal | CommandAcceptance;

export interface CommandAnswer {
  readonly kind: "answered";
  readonly answer: Answer;
  /** For the `Quartet-Position` header: reads at or past it see the effects. */
  readonly position: string | undefined;
  /** The answer of an earlier request with the same key. */
  readonly replayed: boolean;
  /** Undefined when the operation is not recorded. */
  readonly operationId: string | undefined;
}

/** The recorded failure of an operation: whoever asks gets the very same one, in whichever build. */
export interface CommandRefusal {
  readonly kind: "refused";
  readonly problem: Problem;
  /** For the `Quartet-Position` header: reads at or past it see what the refusal rests on. */
  readonly position: string | undefined;
  readonly replayed: boolean;
  readonly operationId: string;
}

export interface CommandAcceptance {
  readonly kind: "accepted";
  readonly operationId: string;
}
