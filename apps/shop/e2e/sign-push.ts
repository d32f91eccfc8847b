import { createHmac } from "node:crypto";

/** One push to an inbox. */
export interface Push {
  readonly secret: string;
  readonly subscription: string;
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly data: unknown;
}

/** Headers and body of a push as a relay sends it: a structured CloudEvent with a Standard Webhooks signature. */
export function signPush(push: Push): { readonly headers: Record<string, string>; readonly body: string } {
  const body = JSON.stringify({
    specversion: "1.0",
    id: push.id,
    source: "/quartet/shop/events",
    type: push.type,
    time: new Date().toISOString(),
    datacontenttype: "application/json",
    partitionkey: push.key,
    quartetsubscription: push.subscription,
    data: push.data,
  });
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(push.secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${push.id}.${timestamp}.${body}`).digest("base64");
  return {
    body,
    headers: {
      "content-type": "application/cloudevents+json",
      "webhook-id": push.id,
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${signature}`,
      "quartet-attempt": "1",
    },
  };
}
