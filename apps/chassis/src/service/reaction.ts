import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ReactionContext } from "./contexts.ts";

/** Code that runs once for each event of a type: its effect happens exactly once. */
export interface Reaction {
  /** Unique in the domain; names the subscription, so that renaming it subscribes anew. */
  readonly name: string;
  readonly event: DescMessage;
  run(ctx: ReactionContext, event: MessageShape<DescMessage>): Promise<void>;
}

/** Defines a reaction to an event: a decision like a command's, with the event in place of the request. */
export function reaction<E extends DescMessage>(
  event: E,
  name: string,
  run: (ctx: ReactionContext, event: MessageShape<E>) => Promise<void>,
): Reaction {
  return { name, event, run: (ctx, message) => run(ctx, message as MessageShape<E>) };
}
