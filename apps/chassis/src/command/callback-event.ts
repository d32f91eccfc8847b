import { create, type JsonValue, type Registry } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { OperationEndedSchema } from "../gen/quartet/v1/callback_pb.ts";
import { OperationRecordSchema } from "../gen/quartet/v1/operation_pb.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { createEventId } from "../outbox/event-id.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { systemEvent } from "./publish-system-event.ts";

/**
 * Publishes the end of an operation whose client wants to be called back, in the transaction that ends it. An operation
 * ends once, so its event needs no derived id.
 *
 * @param recordJson the operation's record when it has ended, as it is stored
 */
export async function publishCallback(
  client: SqlClient,
  recordJson: string,
  registry: Registry,
): Promise<void> {
  const record = decodeStoredJson(OperationRecordSchema, JSON.parse(recordJson) as JsonValue, registry);
  const { callbackUrl, operationId, acceptTime } = record;
  const ended = create(OperationEndedSchema, { callbackUrl, record });
  const facts = {
    // With the time of its command, as all that the command causes: so its deliveries are found by it.
    id: createEventId(acceptTime === undefined ? undefined : timestampMs(acceptTime)),
    key: operationId,
    causationId: undefined,
    traceparent: undefined,
  };
  await appendEvents(client, [systemEvent(OperationEndedSchema, ended, facts, registry)]);
}
