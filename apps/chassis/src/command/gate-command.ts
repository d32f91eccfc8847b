import { claimEvent } from "../inbox/claim-event.ts";
import type { InboxKey } from "../inbox/inbox-event.ts";
import type { SqlClient } from "../sql/sql-client.ts";
import { keyReused } from "./key-reused.ts";

/**
 * Lets the first request of an idempotency key through, in a database where this login may INSERT and not read. Two
 * rows tell all there is to know: one for the operation, one for operation and request together.
 *
 * @returns false when the same request came before: attach to its operation.
 * @throws QuartetError `key_reused` when another request came before; roll back.
 */
export async function gateCommand(
  client: SqlClient,
  operationId: string,
  fingerprint: string,
): Promise<boolean> {
  const [command, request] = gateKeys(operationId, fingerprint);
  const first = await claimEvent(client, command.consumer, command.eventId);
  const newRequest = await claimEvent(client, request.consumer, request.eventId);
  if (first || !newRequest) return first;
  throw keyReused();
}

/** The rows of a gate: the operation's, then the request's. */
export function gateKeys(operationId: string, fingerprint: string): readonly [InboxKey, InboxKey] {
  return [
    { consumer: "command", eventId: operationId },
    { consumer: "command-request", eventId: `${operationId}/${fingerprint}` },
  ];
}
