import type { DescMessage, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Kysely } from "kysely";
import type { PublishOptions } from "../outbox/publish-options.ts";
import type { TableTypes } from "../pbtable/table-types.ts";
import type { TableWriter } from "../pbtable/table-writer.ts";

/** What a write may do: read and change tables and publish events, all in one transaction. */
export interface WriteContext {
  /** Stable over retries of the same command or event: derive ids from it, never from chance or the clock. */
  readonly operationId: string;
  /** When the command was accepted; the same on every retry. */
  readonly acceptTime: Date;
  /**
   * The version that the client's `If-Match` names: give it to the `update`, `patch` or `delete` of the row that the
   * request is about. A request with `If-Match` of which no write has asked for this is refused.
   */
  readonly expectedVersion: bigint | undefined;
  readonly db: Kysely<TableTypes>;
  table<D extends DescMessage>(message: D): TableWriter<D>;
  /**
   * Publishes an event with the transaction. Its key, which orders it, is the field that
   * `option (quartet.v1.event).key` names unless `options.key` says otherwise.
   */
  publish<D extends DescMessage>(event: D, init: MessageInitShape<D>, options?: PublishOptions): void;
}

/** A named, quick, idempotent unit that changes tables. Its name is the full name of its input message. */
export interface Write<I extends DescMessage = DescMessage, M extends Message = Message> {
  readonly input: I;
  run(tx: WriteContext, intent: MessageShape<I>): Promise<M>;
}

/**
 * Defines a write. It runs only where tables may be written, in one short transaction with all other writes of the
 * same decision; a thrown `QuartetError` undoes them all.
 *
 * @param input message that carries the intent, and names the write
 * @param run answers with the message that is the write's result
 */
export function write<I extends DescMessage, M extends Message>(
  input: I,
  run: (tx: WriteContext, intent: MessageShape<I>) => Promise<M>,
): Write<I, M> {
  return { input, run };
}
