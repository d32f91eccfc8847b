import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { type ReadPrecondition, ReadPreconditionSchema } from "../gen/quartet/v1/intent_pb.ts";
import { checkEventKey, checkPublishOptions, type PublishOptions } from "../outbox/publish-options.ts";
import type { RowVersion } from "../pbtable/seen-row.ts";
import { declaredKeyOf } from "../schema/event.ts";
import type { Table } from "../schema/table/table.ts";
import type { Write } from "./write.ts";
import { Written } from "./written.ts";

/** What a handler decided: writes in order, events beside them, what answers the client, and what it rests on. */
export interface Decision {
  readonly writes: readonly DecidedWrite[];
  readonly events: readonly DecidedEvent[];
  /** Undefined for a reaction. */
  readonly answer: Message | Written | undefined;
  /** Rows that must be the same when the writes run, each once. Of a decision that writes nothing: none. */
  readonly preconditions: readonly ReadPrecondition[];
}

export interface DecidedWrite {
  readonly desc: DescMessage;
  readonly input: Message;
}

export interface DecidedEvent {
  readonly desc: DescMessage;
  readonly event: Message;
  /** Undefined: the operation orders the event. */
  readonly key: string | undefined;
  readonly deliverAfter?: Date | undefined;
}

/** Collects what a handler reads, writes and publishes while it runs. */
export class DecisionRecorder {
  readonly #writes: DecidedWrite[] = [];
  readonly #events: DecidedEvent[] = [];
  readonly #preconditions = new Map<string, ReadPrecondition>();

  write<I extends DescMessage, M extends Message>(
    write: Write<I, M>,
    intent: MessageInitShape<I>,
  ): Written<M> {
    this.#writes.push({ desc: write.input, input: create(write.input, intent) });
    return new Written<M>(this.#writes.length - 1);
  }

  publish<D extends DescMessage>(desc: D, init: MessageInitShape<D>, options: PublishOptions = {}): void {
    this.#events.push(decideEvent(desc, init, options));
  }

  /**
   * Adds a row that the decision rests on. Of a row that was seen twice the first sight counts: when the second was
   * another, the decision rests on both, which never were at once, and the first one does not hold.
   */
  rest(table: Table, key: string, { version, writer }: RowVersion): void {
    const name = table.message.typeName;
    const id = `${name} ${key}`;
    if (this.#preconditions.has(id)) return;
    this.#preconditions.set(id, create(ReadPreconditionSchema, { table: name, key, version, writer }));
  }

  finish(answer: Message | Written | undefined): Decision {
    const preconditions = this.#writes.length === 0 ? [] : [...this.#preconditions.values()];
    return { writes: this.#writes, events: this.#events, answer, preconditions };
  }
}

/**
 * An event with the key it is ordered by.
 *
 * @throws QuartetError `invalid_argument` for a key or time that the outbox cannot hold: here, where the handler is told,
 * and not when its decision is written.
 */
export function decideEvent<D extends DescMessage>(
  desc: D,
  init: MessageInitShape<D>,
  options: PublishOptions = {},
): DecidedEvent {
  checkPublishOptions(options);
  const event: Message = create(desc, init);
  const declared = options.key === undefined ? declaredKeyOf(desc, event) || undefined : undefined;
  if (declared !== undefined) checkEventKey(declared, "key");
  return { desc, event, key: options.key ?? declared, deliverAfter: options.deliverAfter };
}
