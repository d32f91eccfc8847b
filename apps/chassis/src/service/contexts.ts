import type { DescMessage, DescService, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { PublishOptions } from "../outbox/publish-options.ts";
import type { ReadonlyKysely } from "../pbtable/kysely.ts";
import type { TableReader } from "../pbtable/table-reader.ts";
import type { Write } from "./write.ts";
import type { Written } from "./written.ts";

/** What every handler has: when to stop, and who asked. */
export interface CallContext {
  /** Aborts when the deadline passes or the client has gone. */
  readonly signal: AbortSignal;
  /** Epoch ms; travels with every call down. */
  readonly deadlineMs: number;
  readonly principal: string;
  /** Calls a method of a lower class; in this process when it may run it, else over HTTP. */
  call<S extends DescService>(service: S): ServiceClient<S>;
}

/** A service's unary methods as functions. */
export type ServiceClient<S extends DescService> = {
  [Name in keyof S["method"]]: S["method"][Name] extends {
    input: infer I extends DescMessage;
    output: infer O extends DescMessage;
  }
    ? (request: MessageInitShape<I>) => Promise<MessageShape<O>>
    : never;
};

/** Reads: off a replica in micro and nano, off the primary in crud. */
export interface QueryContext extends CallContext {
  readonly db: ReadonlyKysely;
  table<D extends DescMessage>(message: D): TableReader<D>;
}

/** Reads, and says what is to be written. Nothing is written before the handler has returned. */
export interface CommandContext extends QueryContext {
  /** Stable over retries of the same command: derive ids from it. */
  readonly operationId: string;
  /** Adds a write to the decision. All writes of a decision run in one transaction of the crud class. */
  write<I extends DescMessage, M extends Message>(
    write: Write<I, M>,
    intent: MessageInitShape<I>,
  ): Written<M>;
  /** Adds an event to the decision; published with its writes. */
  publish<D extends DescMessage>(event: D, init: MessageInitShape<D>, options?: PublishOptions): void;
}

/** What a reaction has: a decision about an event instead of a request. */
export interface ReactionContext extends CommandContext {
  readonly event: EventInfo;
}

export interface EventInfo {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly time: Date;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
}
