import type { DescMessage, MessageShape, Registry } from "@bufbuild/protobuf";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { encodeJson } from "../schema/json/json.ts";
import { printStorable } from "../schema/json/storable-json.ts";

/** An event of the platform itself, ordered by the operation it is about. */
export function systemEvent<D extends DescMessage>(
  desc: D,
  message: MessageShape<D>,
  facts: {
    readonly id: string;
    readonly key: string;
    readonly causationId: string | undefined;
    readonly traceparent: string | undefined;
  },
  registry: Registry,
): OutboxEvent {
  return {
    id: facts.id,
    aggregateType: "quartet.operation",
    aggregateId: facts.key,
    type: desc.typeName,
    payload: printStorable(encodeJson(desc, message, registry)),
    causationId: facts.causationId,
    correlationId: facts.key,
    traceparent: facts.traceparent,
  };
}
