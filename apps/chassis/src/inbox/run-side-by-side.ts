import type { PoolClient } from "pg";
import { socketOf } from "../sql/client-socket.ts";
import type { InboxEvent } from "./inbox-event.ts";

type Handler = (tx: PoolClient, event: InboxEvent) => Promise<void>;

/**
 * Runs a handler for several events at once, in one transaction: events of one key one after the other, keys beside each
 * other. Ends when all have ended, so that nothing is sent any more when the transaction is.
 *
 * @throws what the first event that failed, in their order, has thrown.
 */
export function runSideBySide(
  handle: Handler,
): (tx: PoolClient, events: readonly InboxEvent[]) => Promise<void> {
  return async (tx, events) => {
    const ends = new Map<string, Promise<void>>();
    const release = holdWrites(tx);
    const all = events.map((event) => {
      const before = ends.get(event.key);
      const end = before === undefined ? start(handle, tx, event) : before.then(() => handle(tx, event));
      ends.set(event.key, end);
      return end;
    });
    release();
    const failed = (await Promise.allSettled(all)).find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  };
}

/** At once; what it throws before its first await is a rejection too. */
async function start(handle: Handler, tx: PoolClient, event: InboxEvent): Promise<void> {
  await handle(tx, event);
}

/**
 * Keeps what is written to the server until it is released, so that the first statements of all handlers go in one write: a
 * write for each costs more than all else that is done here for an event.
 */
function holdWrites(tx: PoolClient): () => void {
  const socket = socketOf(tx);
  socket?.cork();
  return () => socket?.uncork();
}
