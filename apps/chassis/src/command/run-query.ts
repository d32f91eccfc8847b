import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { Stored } from "../pbtable/stored.ts";
import { parsePosition } from "../position/position.ts";
import type { DomainMethod } from "../service/domain.ts";
import { sqlStateOf } from "../sql/translate-error.ts";
import type { Answer } from "./answer.ts";
import { type CallScope, createCallContext, createQueryContext } from "./handler-context.ts";
import { type ReadOutcome, readAtPosition } from "./read-at-position.ts";
import { type Runtime, requireMain } from "./runtime.ts";
import { translateHandlerError } from "./translate-handler-error.ts";

/**
 * Runs a query or a compute in this process.
 *
 * @param position of a `Quartet-Position` header: the query reads at or past it, and tells where it has read
 * @throws QuartetError `stale` when the replica does not get there in time.
 */
export async function runReadOnly(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  scope: CallScope,
  position: string | undefined,
): Promise<ReadOutcome> {
  const { handler } = method;
  try {
    if (handler.kind === "compute") {
      const answer = await handler.run(request as never, createCallContext(runtime, scope));
      return { answer: create(method.desc.output, answer as never), position: undefined };
    }
    if (handler.kind !== "query") throw new QuartetError("internal", `${method.name} is a command.`);
    const read = async () =>
      toAnswer(method, await handler.run(createQueryContext(runtime, scope), request as never));
    const { replay } = requireMain(runtime);
    if (position !== undefined) {
      const place = { replay, isPrimary: runtime.found.serviceClass === "crud" };
      return await readAtPosition(place, parsePosition(position), scope, () => readTwice(read));
    }
    await replay.settle();
    return { answer: await readTwice(read), position: undefined };
  } catch (error) {
    throw translateHandlerError(error);
  }
}

/** A replica cancels queries that conflict with recovery: the same read succeeds when it is done again. */
function readTwice(read: () => Promise<Answer>): Promise<Answer> {
  return read().catch((error: unknown) => {
    if (sqlStateOf(error) === "40001") return read();
    throw error;
  });
}

function toAnswer(method: DomainMethod, result: MessageInitShape<DescMessage> | Stored<DescMessage>): Answer {
  if (!(result instanceof Stored)) return create(method.desc.output, result);
  if (result.desc.typeName === method.desc.output.typeName) return result;
  throw new QuartetError(
    "internal",
    `${method.name} answered with a stored ${result.desc.typeName}, not a ${method.desc.output.typeName}.`,
  );
}
