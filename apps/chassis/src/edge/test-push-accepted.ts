import type { TestDatabase } from "../cluster/postgres/test-database.ts";
import { receiveEvent } from "../command/receive-event.ts";
import type { Runtime } from "../command/runtime.ts";

/**
 * Gives a process what a relay would push to it: the acceptance of the asynchronous command whose request has this id, to
 * be recorded (`operations`) or decided (`decisions`).
 */
export async function pushAccepted(
  database: TestDatabase,
  runtime: Runtime,
  subscription: "operations" | "decisions",
  requestId: string,
): Promise<void> {
  const [event] = await database.query<{ id: string; type: string; payload: never; aggregateid: string }>(
    `select id, type, payload, aggregateid from quartet.outbox
     where type = 'quartet.v1.CommandAccepted' and payload->'request'->>'id' = $1`,
    [requestId],
  );
  if (event === undefined) throw new Error(`no command of ${requestId} was accepted`);
  const facts = { id: event.id, type: event.type, key: event.aggregateid, data: event.payload };
  const rest = { position: undefined, traceparent: undefined, time: new Date(), attempt: 1 };
  const scope = { principal: "", deadlineMs: Date.now() + 10_000, signal: new AbortController().signal };
  await receiveEvent(runtime, { subscription, ...facts, ...rest }, scope);
}
