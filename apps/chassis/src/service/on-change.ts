import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { type Any, anyUnpack, timestampDate } from "@bufbuild/protobuf/wkt";
import { QuartetError } from "../error/quartet-error.ts";
import { type RowChange, RowChangeSchema } from "../gen/quartet/v1/row_change_pb.ts";
import { changeEventType } from "../schema/row-change.ts";
import type { ReactionContext } from "./contexts.ts";
import type { Reaction, ReactionOptions } from "./reaction.ts";

/** A change of one row of a pbtable, as an event brings it. */
export interface Change<D extends DescMessage> {
  /** The row as it was. Undefined: it was inserted. */
  readonly before: MessageShape<D> | undefined;
  /** The row as it is. Undefined: it was deleted. */
  readonly after: MessageShape<D> | undefined;
  /** Of the row after the change; of a deleted row, its last one. */
  readonly version: bigint;
  readonly changeTime: Date;
  /** The database login that made the change. */
  readonly login: string;
  /** Who asked for it and by which operation. Empty when the change did not come through a command. */
  readonly principal: string;
  readonly operationId: string;
}

/**
 * Defines a reaction to every change of a table's rows, whoever makes it: handlers, the relational view or psql. It sees
 * the changes of one row in their order. The table must say `publish: true`.
 *
 * Delivered as `option (quartet.v1.subscription)` on the table's message says.
 */
export function onChange<D extends DescMessage>(
  table: D,
  name: string,
  run: (ctx: ReactionContext, change: Change<D>) => Promise<void>,
  options: ReactionOptions = {},
): Reaction {
  return {
    name,
    eventType: changeEventType(table),
    event: RowChangeSchema,
    settings: table,
    serviceClass: options.class ?? "micro",
    changesOf: table,
    run: async (ctx, event) => run(ctx, readChange(table, event)),
  };
}

function readChange<D extends DescMessage>(table: D, event: Message): Change<D> {
  // The event was decoded as the reaction's `event` says.
  const { before, after, changeTime, version, login, principal, operationId } = event as RowChange;
  if (changeTime === undefined || (before === undefined && after === undefined)) {
    throw new QuartetError("unprocessable_event", `A ${changeEventType(table)} without a row or a time.`);
  }
  return {
    before: unpackRow(table, before),
    after: unpackRow(table, after),
    changeTime: timestampDate(changeTime),
    ...{ version, login, principal, operationId },
  };
}

function unpackRow<D extends DescMessage>(table: D, row: Any | undefined): MessageShape<D> | undefined {
  if (row === undefined) return undefined;
  const message = anyUnpack(row, table);
  if (message !== undefined) return message;
  throw new QuartetError("unprocessable_event", `The row is a ${row.typeUrl}, not a ${table.typeName}.`);
}
