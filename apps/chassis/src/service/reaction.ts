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
  /** Further messages whose events it takes, each of the type that is the message's name. */
  readonly others?: readonly DescMessage[];
  /** The message whose `option (quartet.v1.subscription)` says how they are delivered. */
  readonly settings: DescMessage;
  /** The class that it is delivered to: the crud class takes it where the deployment has no such process. */
  readonly serviceClass: "crud" | "micro" | "lambda";
  /** The message of the table whose changes the events are; it must publish them. */
  readonly changesOf?: DescMessage;
  /** @throws QuartetError `unprocessable_event` when the event is none that the reaction can take. */
  run(ctx: ReactionContext, event: Message): Promise<void>;
}

/** The types of the events that a reaction takes. */
export function eventTypesOf(reaction: Reaction): readonly string[] {
  return [reaction.eventType, ...(reaction.others ?? []).map(({ typeName }) => typeName)];
}

/** The message that is the data of events of a type; undefined when the reaction takes none. */
export function eventMessageOf(reaction: Reaction, type: string): DescMessage | undefined {
  if (reaction.eventType === type) return reaction.event;
  return reaction.others?.find(({ typeName }) => typeName === type);
}

export interface ReactionOptions {
  /**
   * `lambda`: it decides from its event alone, and runs where there is no database. What it writes and publishes is
   * answered to the relay, which commits it with the event's acknowledgement. By default `micro`.
   */
  readonly class?: "micro" | "lambda";
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
