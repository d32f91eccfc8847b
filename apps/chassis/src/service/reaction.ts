import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import type { ReactionContext } from "./contexts.ts";

/** Code that runs once for each event of a type: its effect happens exactly once. */
export interface Reaction {
  /** Unique in the domain; names the subscription, so that renaming it subscribes anew. */
  readonly name: string;
  /** The type of the events. */
  readonly eventType: string;
  /** The message that is their data. */
  readonly event: DescMessage;
  /** The message whose `option (quartet.v1.subscription)` says how they are delivered. */
  readonly settings: DescMessage;
  /** The class that it is delivered to: the crud class takes it where the deployment has no such process. */
  readonly serviceClass: "micro" | "lambda";
  /** The message of the table whose changes the events are; it must publish them. */
  readonly changesOf?: DescMessage;
  /** @throws QuartetError `unprocessable_event` when the event is none that the reaction can take. */
  run(ctx: ReactionContext, event: Message): Promise<void>;
}

export interface ReactionOptions {
  /**
   * `lambda`: it decides from its event alone, and runs where there is no database. What it writes and publishes is
   * answered to the relay, which commits it with the event's acknowledgement. By default `micro`.
   */
  readonly class?: Reaction["serviceClass"];
}

/** Defines a reaction to an event: a decision like a command's, with the event in place of the request. */
export function reaction<E extends DescMessage>(
  event: E,
  name: string,
  run: (ctx: ReactionContext, event: MessageShape<E>) => Promise<void>,
  options: ReactionOptions = {},
): Reaction {
  return {
    name,
    eventType: event.typeName,
    event,
    settings: event,
    serviceClass: options.class ?? "micro",
    run: (ctx, message) => run(ctx, message as MessageShape<E>),
  };
}
