import {
  type CloudEvent,
  encodeBatch,
  encodeBinary,
  encodeStructured,
} from "../wire/cloud-event/cloud-event.ts";
import { parseSecret, signWebhook } from "../wire/webhook/webhook-signature.ts";

export const testSecret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;

export type PushMode = "binary" | "structured" | "batch";

/** An event as a relay pushes it for the subscription `test`. */
export function testEvent(id: string, more: Partial<CloudEvent> = {}, key: string = id): CloudEvent {
  return {
    id,
    source: "/quartet/test/main",
    type: "test.v1.Happened",
    dataContentType: "application/json",
    data: Buffer.from(JSON.stringify({ id })),
    ...more,
    extensions: { partitionkey: key, quartetsubscription: "test", ...more.extensions },
  };
}

/** How a push differs from a right one. */
export interface PushChanges {
  readonly secret?: string;
  readonly webhookId?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Pushes events as a relay does. */
export async function push(
  url: string,
  mode: PushMode,
  events: readonly CloudEvent[],
  changes: PushChanges = {},
): Promise<Response> {
  const [first] = events;
  if (first === undefined && mode !== "batch") throw new Error("a push of no event");
  const encoded =
    first === undefined || mode === "batch"
      ? encodeBatch(events)
      : (mode === "binary" ? encodeBinary : encodeStructured)(first);
  const own = mode === "batch" ? `${first?.id ?? "none"}+${events.length - 1}` : (first?.id ?? "");
  const id = changes.webhookId ?? own;
  const time = Math.floor(Date.now() / 1000);
  const secrets = [parseSecret(changes.secret ?? testSecret)];
  return fetch(url, {
    method: "POST",
    body: new Uint8Array(encoded.body),
    headers: {
      ...encoded.headers,
      "webhook-id": id,
      "webhook-timestamp": String(time),
      "webhook-signature": signWebhook(secrets, id, time, encoded.body),
      ...changes.headers,
    },
    ...(changes.signal === undefined ? {} : { signal: changes.signal }),
  });
}
