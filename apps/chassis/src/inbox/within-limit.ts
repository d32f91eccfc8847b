import { Client, type PoolClient } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { socketOf } from "../sql/client-socket.ts";

/**
 * Waits for a handler for a limited time. One that does not end loses its connection: what it may still send goes
 * nowhere, and the database undoes what it did.
 *
 * @throws QuartetError `deadline_exceeded`; else what the handler threw.
 */
export async function withinLimit(
  client: PoolClient,
  limitMs: number,
  handler: () => Promise<void>,
): Promise<void> {
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    // A pool's connection is a Client, whose end() the type of the pool leaves out. It says that this is meant; but on a
    // pipelined connection it waits for the very statement that hangs.
    if (client instanceof Client) void client.end().catch(() => undefined);
    socketOf(client)?.destroy();
    expired.reject(
      new QuartetError("deadline_exceeded", `The event's handler did not end within ${limitMs} ms.`),
    );
  }, limitMs);
  try {
    await Promise.race([handler(), expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
