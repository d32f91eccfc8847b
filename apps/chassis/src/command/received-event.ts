import type { JsonValue } from "@bufbuild/protobuf";

/** One event as a push brought it, for one subscription. */
export interface ReceivedEvent {
  readonly subscription: string;
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly time: Date;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** Position of the event's commit in the main database, when it came from there; else of its cause's, if it has one. */
  readonly position: string | undefined;
  readonly traceparent: string | undefined;
  readonly data: JsonValue;
}

/** Names of the platform's own subscriptions. */
export const systemSubscriptions = {
  /** Intents and failures, to the crud class. */
  intents: "intents",
  /** Accepted commands, to the crud class: so that their operations can be seen. */
  operations: "operations",
  /** Accepted commands, to the class that decides them. */
  decisions: "decisions",
  /** Ends of operations, to where their clients want to hear of them. */
  callbacks: "callbacks",
} as const;

export const reactionPrefix = "reaction/";
