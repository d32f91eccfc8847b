import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { aggregateTypeOf, declaredKeyOf } from "../schema/event.ts";
import { encodeJson } from "../schema/json/json.ts";
import { printStorable } from "../schema/json/storable-json.ts";
import { systemRegistry } from "../schema/system-registry.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { appendEvents } from "./append-events.ts";
import { createEventId, deriveEventId } from "./event-id.ts";
import type { OutboxEvent } from "./outbox-event.ts";
import { checkPublishOptions, type OwnPublishOptions } from "./publish-options.ts";

/** An event for {@link publishMany}. */
export interface EventToPublish<D extends DescMessage> {
  readonly schema: D;
  readonly init: MessageInitShape<D>;
  readonly options?: OwnPublishOptions;
}

/**
 * Publishes an event with the caller's transaction, from any code that has a connection of `pg`: a script, a job, a
 * handler of {@link createInbox}. Handlers of a domain publish by their context. Needs INSERT on the outbox.
 *
 * @param client in a transaction; outside one the event is published at once
 * @returns the event's id. One that was published before is left as it is.
 * @throws QuartetError `invalid_argument` with the option, or the JSON path of the message, as `field`.
 */
export async function publish<D extends DescMessage>(
  client: SqlClient,
  schema: D,
  init: MessageInitShape<D>,
  options: OwnPublishOptions = {},
): Promise<string> {
  const event = toOutboxEvent(schema, init, options, "");
  await appendEvents(client, [event]);
  return event.id;
}

/**
 * Publishes events in the order given, in one statement; else as {@link publish}.
 *
 * @returns their ids, in order.
 */
export async function publishMany<D extends readonly DescMessage[]>(
  client: SqlClient,
  events: readonly [...{ [Index in keyof D]: EventToPublish<D[Index]> }],
): Promise<string[]> {
  const all: readonly EventToPublish<DescMessage>[] = events;
  const outgoing = all.map(({ schema, init, options = {} }, index) =>
    toOutboxEvent(schema, init, options, `events[${index}].`),
  );
  await appendEvents(client, outgoing);
  return outgoing.map(({ id }) => id);
}

function toOutboxEvent(
  schema: DescMessage,
  init: MessageInitShape<DescMessage>,
  options: OwnPublishOptions,
  path: string,
): OutboxEvent {
  const message: Message = create(schema, init);
  const key = options.key ?? (declaredKeyOf(schema, message) || undefined);
  checkPublishOptions({ ...options, ...(key === undefined ? {} : { key }) }, path);
  const id = idOf(options);
  return {
    id,
    aggregateType: aggregateTypeOf(schema),
    aggregateId: key ?? id,
    type: schema.typeName,
    payload: printStorable(encodeJson(schema, message as never, options.registry ?? systemRegistry)),
    causationId: options.causationId ?? options.cause?.id,
    correlationId: options.correlationId,
    traceparent: options.traceparent,
    deliverAfter: options.deliverAfter,
  };
}

function idOf({ id, cause }: OwnPublishOptions): string {
  if (id !== undefined) return id;
  // Another name than what the platform derives of the same cause, or the two would be taken for one.
  return cause === undefined ? createEventId() : deriveEventId(cause.id, `publish/${cause.ordinal}`);
}
