import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";

import type { EventInfo } from "../service/contexts.ts";
import type { Decision } from "../service/decision.ts";
import type { Reaction } from "../service/reaction.ts";
import { Written } from "../service/written.ts";
import type { CommandCall } from "./command-call.ts";
import { type CallScope, createCommandContext, createReactionContext } from "./handler-context.ts";
import { type ReadPlace, reachPosition } from "./read-at-position.ts";
import { type Runtime, requireMain } from "./runtime.ts";
import { translateHandlerError } from "./translate-handler-error.ts";

/**
 * Runs a command's handler: reads and computes, and collects what it wants written. Nothing is written here. It reads at or
 * past the call's position: else what its client wrote before might not be found, and the refusal would be kept.
 *
 * @throws QuartetError `stale` when the replica does not get there in time; what the handler throws.
 */
export async function decideCommand(runtime: Runtime, call: CommandCall): Promise<Decision> {
  const { handler, desc, name } = call.method;
  if (handler.kind !== "command") throw new QuartetError("internal", `${name} is no command.`);
  const ctx = createCommandContext(runtime, call, call.operationId);
  try {
    await reachPosition(placeOf(runtime), call.position, call);
    const answer = await handler.run(ctx, call.request as never);
    if (answer instanceof Written) return ctx.recorder.finish(answer);
    const message: Message = create(desc.output, answer as MessageInitShape<typeof desc.output>);
    return ctx.recorder.finish(message);
  } catch (error) {
    throw translateHandlerError(error);
  }
}

function placeOf(runtime: Runtime): ReadPlace {
  return { replay: requireMain(runtime).replay, isPrimary: runtime.found.serviceClass === "crud" };
}

/** Runs a reaction's handler on an event. */
export async function decideReaction(
  runtime: Runtime,
  reaction: Reaction,
  scope: CallScope,
  info: EventInfo,
  event: Message,
): Promise<Decision> {
  const ctx = createReactionContext(runtime, scope, info);
  try {
    await runtime.main?.replay.settle();
    await reaction.run(ctx, event);
  } catch (error) {
    if (runtime.main === undefined && isWrongClass(error)) throw readsInLambda(reaction, error);
    throw translateHandlerError(error);
  }
  return ctx.recorder.finish(undefined);
}

function isWrongClass(error: unknown): boolean {
  return error instanceof QuartetError && error.code === "wrong_class";
}

/** A fault of the reaction, which another build may have mended; and none of this process, which serves others well. */
function readsInLambda(reaction: Reaction, cause: unknown): QuartetError {
  return new QuartetError(
    "unimplemented",
    `The reaction "${reaction.name}" reads, and a lambda has no database.`,
    {
      cause,
      fix: 'Let it decide from its event alone, or define it without { class: "lambda" }.',
    },
  );
}
