import { setImmediate as nextTurn } from "node:timers/promises";
import { Client, type PoolClient } from "pg";
import { QuartetError } from "../error/quartet-error.ts";
import { socketOf } from "../sql/client-socket.ts";

/**
 * Waits for a handler for a limited time, and for the statements that it did not wait for. One that does not end loses its
 * connection: what it may still send goes nowhere, and the database undoes what it did.
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
    if (isBusy(client)) await Promise.race([answerAll(client), expired.promise]);
    clearTimeout(timer);
  }
}

/** A statement waits for its answer; as pg's client has it, which its types leave out. */
function isBusy(client: PoolClient): boolean {
  return (client as { readonly readyForQuery?: boolean }).readyForQuery === false;
}

/**
 * Waits until all statements are answered, and those that are sent at once upon an answer. Behind COMMIT these would have
 * no effect, and what was to go together would not.
 */
async function answerAll(client: PoolClient): Promise<void> {
  try {
    while (isBusy(client)) {
      await client.query("");
      await nextTurn(); // what waited for the answer before has gone on
    }
  } catch {
    // The connection is lost, as who ends the transaction finds out.
  }
}
