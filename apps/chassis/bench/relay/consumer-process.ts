import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool, type PoolClient } from "pg";
import { createInbox } from "../../src/inbox/create-inbox.ts";
import type { InboxEvent } from "../../src/inbox/inbox-event.ts";
import { serveChild } from "../harness/child.ts";
import { watchUsage } from "../harness/process-usage.ts";
import type { BenchEvent } from "../peers/peer.ts";
import { CommitTimeRecorder } from "./commit-times.ts";
import { insertEffect, insertEffects, subscriberEffectColumns } from "./effects.ts";

/** Where requests are taken and never answered. */
const hangingPath = "/hang";
const connections = 8;

export interface ConsumerSettings {
  readonly databaseUrl: string;
  readonly kind: "message" | "batch";
  readonly secrets: readonly string[];
  /** Notes when effects were committed. */
  readonly times: boolean;
}

const stack = new AsyncDisposableStack();
const recorder = new CommitTimeRecorder();

/** A consumer: the inbox of the package on `node:http`, in a process of its own, on a database of its own. */
serveChild({
  start: async (settings: ConsumerSettings) => {
    const handler = openHandler(settings);
    const server = createServer((request, response) => {
      if (request.url === hangingPath) request.resume();
      else if (settings.times) void answerTimed(handler, request, response);
      else handler(request, response);
    });
    server.keepAliveTimeout = 60_000;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  },
  takeTimes: () => recorder.take(),
  readUsage: watchUsage(),
  stop: () => stack.disposeAsync(),
});

function openHandler({ databaseUrl, kind, secrets }: ConsumerSettings) {
  // As a user would: the statements of handlers side by side go out together.
  const pool = new Pool({ connectionString: databaseUrl, max: connections, pipeline: true });
  pool.on("error", () => undefined);
  stack.defer(() => pool.end());
  return createInbox({
    pool,
    secrets,
    onError: (error) => console.error(`consumer: ${error instanceof Error ? error.message : String(error)}`),
    ...(kind === "batch" ? { handleBatch: writeEffects } : { handle: writeEffect, sideBySide: true }),
  });
}

async function writeEffect(tx: PoolClient, event: InboxEvent): Promise<void> {
  const { key, seq } = readBenchEvent(event);
  await tx.query({ ...insertEffect, values: [event.subscription ?? "", event.id, key, seq] });
}

async function writeEffects(tx: PoolClient, events: readonly InboxEvent[]): Promise<void> {
  const values = subscriberEffectColumns(
    events.map((event) => event.subscription ?? ""),
    events.map(readBenchEvent),
  );
  await tx.query({ ...insertEffects, values });
}

function readBenchEvent(event: InboxEvent): BenchEvent {
  return event.json() as unknown as BenchEvent; // the suite's own events
}

/**
 * Answers as the inbox does, and notes when: it answers when the effects of all events of the request are committed. The
 * body is read here for the ids in it, and handed on as `express.raw()` does.
 */
async function answerTimed(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const ids = new Set(
    [...body.toString("latin1").matchAll(/"id": ?"([0-9a-f-]{36})"/g)].map(([, id = ""]) => id),
  );
  response.once("finish", () => recorder.note([...ids]));
  handler(Object.assign(request, { body }), response);
}
