import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { socketOf } from "../../sql/client-socket.ts";

const goodbyeTimeoutMs = 2_000;

/** Says goodbye, and drops the connection of a server that does not answer within 2 s. Never rejects. */
export async function endClient(client: pg.Client): Promise<void> {
  const limit = new AbortController();
  const late = delay(goodbyeTimeoutMs, "late" as const, { signal: limit.signal }).catch(() => undefined);
  const ended = client.end().catch(() => undefined); // it is gone either way
  if ((await Promise.race([ended, late])) === "late") dropClient(client);
  limit.abort();
}

/**
 * Drops the connection without a goodbye: what waits for it fails, a connect too. (One that is told to `end` while it
 * connects leaves whoever waits for the connect waiting for ever.)
 */
export function dropClient(client: pg.Client): void {
  socketOf(client)?.destroy();
}
