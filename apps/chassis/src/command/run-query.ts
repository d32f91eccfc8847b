import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { Stored } from "../pbtable/stored.ts";
import { sqlStateOf } from "../pbtable/translate-error.ts";
import { parsePosition } from "../position/position.ts";
import type { DomainMethod } from "../service/domain.ts";
import type { Answer } from "./answer.ts";
import { type CallScope, createCallContext, createQueryContext } from "./handler-context.ts";
import { type Runtime, requireMain } from "./runtime.ts";
import { translateHandlerError } from "./translate-handler-error.ts";

/** Longest wait for a replica to reach the position a client asks for; then the gateway asks the crud class. */
const catchUpMs = 250;

/**
 * Runs a query or a compute in this process.
 *
 * @param position of a `Quartet-Position` header: the query reads at or past it
 * @throws QuartetError `stale` when the replica does not get there in time.
 */
export async function runReadOnly(
  runtime: Runtime,
  method: DomainMethod,
  request: Message,
  scope: CallScope,
  position: string | undefined,
): Promise<Answer> {
  const { handler } = method;
  try {
    if (handler.kind === "compute") {
      const answer = await handler.run(request as never, createCallContext(runtime, scope));
      return create(method.desc.output, answer as never);
    }
    if (handler.kind !== "query") throw new QuartetError("internal", `${method.name} is a command.`);
    await requireMain(runtime).replay.settle();
    // The crud class reads the primary: there is nothing to wait for, and no position it could be behind.
    if (position !== undefined && parsePosition(position) && runtime.found.serviceClass !== "crud") {
      const limitMs = Math.max(0, Math.min(catchUpMs, scope.deadlineMs - Date.now()));
      await requireMain(runtime).replay.wait(parsePosition(position), limitMs, scope.signal);
    }
    const run = async () =>
      toAnswer(method, await handler.run(createQueryContext(runtime, scope), request as never));
    return await run().catch((error: unknown) => {
      // A replica cancels queries that conflict with recovery: the same read succeeds when it is done again.
      if (sqlStateOf(error) === "40001") return run();
      throw error;
    });
  } catch (error) {
    throw translateHandlerError(error);
  }
}

function toAnswer(method: DomainMethod, result: MessageInitShape<DescMessage> | Stored<DescMessage>): Answer {
  if (!(result instanceof Stored)) return create(method.desc.output, result);
  if (result.desc.typeName === method.desc.output.typeName) return result;
  throw new QuartetError(
    "internal",
    `${method.name} answered with a stored ${result.desc.typeName}, not a ${method.desc.output.typeName}.`,
  );
}
