import type { DescMessage, DescService, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { PublishOptions } from "../outbox/publish-options.ts";
import type { ReadonlyKysely } from "../pbtable/kysely.ts";
import type { TableKey } from "../pbtable/table-key.ts";
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

/**
 * Reads, and says what is to be written. Nothing is written before the handler has returned.
 *
 * The decision rests on what the handler read by key (`get`, `getStored` and `getMany` of `ctx.table`): its writes happen
 * only if those rows are the same still, and keys that had no row have none. When one has changed, nothing happens, and
 * the handler runs again, some times at most, on data that show the change; then the command ends as `aborted`. So of
 * decisions that rest on the same rows no two are written that did not see each other, wherever they were made.
 *
 * Free of this are `peek`, lists, streams, `ctx.db`, what methods of other classes read, and a decision without writes.
 */
export interface CommandContext extends QueryContext {
  /** Stable over retries of the same command: derive ids from it. */
  readonly operationId: string;
  /** Adds a write to the decision. All writes of a decision run in one transaction of the crud class. */
  write<I extends DescMessage, M extends Message>(
    write: Write<I, M>,
    intent: MessageInitShape<I>,
  ): Written<M>;
  /**
   * Makes the decision rest on a row besides those that it read by key: on one of a list, or on the version that an event
   * or a request names.
   *
   * @param version 0n: there is no row with this key
   */
  assume<D extends DescMessage>(message: D, key: TableKey, version: bigint): void;
  /**
   * Makes the decision rest on a row that a list or a stream gave.
   *
   * @throws QuartetError `invalid_argument` when this message object is none that was read.
   */
  assume<D extends DescMessage>(message: D, row: MessageShape<D>): void;
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
