import { QuartetError } from "../error/quartet-error.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import type { SqlClient } from "../pbtable/sql-client.ts";

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
  const first = await claimEvent(client, "command", operationId);
  const newRequest = await claimEvent(client, "command-request", `${operationId}/${fingerprint}`);
  if (first || !newRequest) return first;
  throw new QuartetError("key_reused", "This Idempotency-Key was used for another request.", {
    field: "Idempotency-Key",
    fix: "Use a new key for a new request, and the old key only to repeat the very same one.",
  });
}
