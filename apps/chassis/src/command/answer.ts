import type { DescMessage, Message } from "@bufbuild/protobuf";
import { versionOf } from "../pbtable/message-version.ts";
import { Stored } from "../pbtable/stored.ts";
import { KeptAnswer } from "./kept-answer.ts";

/**
 * What answers a call: a message; a row as it is stored, which goes to a REST client without being parsed; or the answer
 * of a recorded command as its first client gets it.
 */
export type Answer = Message | Stored<DescMessage> | KeptAnswer;

/** The answer as a message. */
export function messageOf(answer: Answer): Message {
  return answer instanceof Stored || answer instanceof KeptAnswer ? answer.message() : answer;
}

/** The version of the row that the answer is; undefined when it is none, or was made of one. */
export function answerVersion(answer: Answer): bigint | undefined {
  return answer instanceof Stored || answer instanceof KeptAnswer ? answer.version : versionOf(answer);
}
