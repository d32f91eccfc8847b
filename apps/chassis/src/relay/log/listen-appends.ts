import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { endClient } from "../replication/end-client.ts";

/** Of the database of the log. Its notifications say that somebody appended, not what. */
export const appendChannel = "quartet_log";

const retryMs = 1_000;

/**
 * Listens to the appends of other processes until the signal aborts, on a connection of its own, which has to be a direct
 * one (behind a pooler nothing is heard). A lost connection is made again; what was notified meanwhile is not heard, so
 * `onAppend` is called each time it is there.
 */
export async function runAppendListener(
  url: string,
  onAppend: (payload: string) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await listenOnce(url, onAppend, signal).catch(() => undefined);
    await delay(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function listenOnce(
  url: string,
  onAppend: (payload: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client({
    connectionString: url,
    application_name: "quartet relay listen",
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  const ended = new Promise<void>((resolve) => {
    client.on("error", () => resolve());
    client.on("end", () => resolve());
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  client.on("notification", ({ payload }) => onAppend(payload ?? ""));
  try {
    await client.connect();
    await client.query(`listen ${appendChannel}`);
    onAppend("");
    await ended;
  } finally {
    await endClient(client);
  }
}
