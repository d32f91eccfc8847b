import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { checkEventKey, checkPublishOptions, type PublishOptions } from "../outbox/publish-options.ts";
import { declaredKeyOf } from "../schema/event.ts";
import type { Write } from "./write.ts";
import { Written } from "./written.ts";

/** What a handler decided: writes in order, events beside them, and what answers the client. */
export interface Decision {
  readonly writes: readonly DecidedWrite[];
  readonly events: readonly DecidedEvent[];
  /** Undefined for a reaction. */
  readonly answer: Message | Written | undefined;
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

/** Collects what a handler writes and publishes while it runs. */
export class DecisionRecorder {
  readonly #writes: DecidedWrite[] = [];
  readonly #events: DecidedEvent[] = [];

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

  finish(answer: Message | Written | undefined): Decision {
    return { writes: this.#writes, events: this.#events, answer };
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
