import type { Message, Registry } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";
import type { OperationRecord } from "../gen/quartet/v1/operation_pb.ts";
import { versionOf } from "../pbtable/message-version.ts";
import { encodeJson } from "../schema/json/json.ts";

/**
 * The answer of a recorded command, printed once: its first client and everybody who repeats the request get the very
 * same bytes, in whichever build.
 */
export class KeptAnswer {
  readonly json: string;
  /** HTTP status. */
  readonly status: number;
  /** Of the row that the answer is; undefined when it is none. */
  readonly version: bigint | undefined;
  readonly #read: () => Message;

  constructor(json: string, status: number, version: bigint | undefined, read: () => Message) {
    this.json = json;
    this.status = status;
    this.version = version;
    this.#read = read;
  }

  /**
   * The answer as a message, for surfaces that are not JSON.
   *
   * @throws QuartetError `internal` when this build does not know its type.
   */
  message(): Message {
    return this.#read();
  }
}

/** Prints the answer of a command that is being committed. */
export function keepAnswer(message: Message, registry: Registry): KeptAnswer {
  return new KeptAnswer(printMessage(message, registry), 200, versionOf(message), () => message);
}

/** The answer that a committed operation's record holds; one of an older build is printed anew. */
export function readKeptAnswer(record: OperationRecord, registry: Registry): KeptAnswer {
  const read = () => unpackResponse(record, registry);
  const json = record.answerJson || printMessage(read(), registry);
  return new KeptAnswer(json, record.answerStatus || 200, record.answerVersion, read);
}

function unpackResponse({ operationId, response }: OperationRecord, registry: Registry): Message {
  const answer = response === undefined ? undefined : anyUnpack(response, registry);
  if (answer !== undefined) return answer;
  throw new QuartetError("internal", `Operation ${operationId} has no answer this build can read.`);
}

function printMessage(message: Message, registry: Registry): string {
  const desc = registry.getMessage(message.$typeName);
  if (desc !== undefined) return JSON.stringify(encodeJson(desc, message as never, registry));
  throw new QuartetError("internal", `${message.$typeName} is not in the domain's schema.`);
}
