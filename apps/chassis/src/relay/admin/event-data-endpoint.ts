import type { IncomingMessage, ServerResponse } from "node:http";
import { QuartetError } from "../../error/quartet-error.ts";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import type { EventLog } from "../log/event-log.ts";
import { type DataRefToken, dataRefPath, parseDataRefToken, verifyDataRef } from "../push/data-ref.ts";
import { activeSecrets } from "../push/subscription-secrets.ts";

export interface EventDataParts {
  readonly log: EventLog;
  /** Secrets of the deployment, the newest first. */
  readonly secrets: readonly WebhookSecret[];
  /** Undefined when there is none of that name. */
  readonly findSubscription: (name: string) => Promise<Subscription | undefined>;
}

/**
 * `GET /_quartet/events/<sequence>?token=…`: the data of an event that was too large to be pushed, as JSON, to whoever has
 * the reference that was pushed instead.
 *
 * @throws QuartetError `permission_denied` without a valid token; `not_found` when the log keeps the event no more.
 */
export async function answerEventData(
  parts: EventDataParts,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new QuartetError("method_not_allowed", "The data of an event is read.", { allow: ["GET", "HEAD"] });
  }
  const seq = readSequence(url.pathname.slice(dataRefPath.length));
  const token = parseDataRefToken(seq, url.searchParams.get("token") ?? "");
  verifyDataRef(await secretsOf(parts, token), token ?? noToken(seq), Math.floor(Date.now() / 1_000));
  const [event] = await parts.log.readEvents([seq]);
  if (event === undefined) {
    throw new QuartetError("not_found", `The log keeps no event ${seq}: retention has dropped it.`);
  }
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(event.payload),
    "Cache-Control": "private, no-store",
  });
  response.end(request.method === "HEAD" ? undefined : event.payload);
}

/** The secrets that may have granted a token; none for one that is malformed or of no subscription. */
async function secretsOf(
  { secrets, findSubscription }: EventDataParts,
  token: DataRefToken | undefined,
): Promise<readonly WebhookSecret[]> {
  const subscription = token === undefined ? undefined : await findSubscription(token.subscription);
  if (subscription === undefined) return [];
  if (subscription.endpoint.startsWith("class:")) return secrets;
  return activeSecrets(secrets, subscription, Date.now()).secrets;
}

function noToken(seq: bigint): DataRefToken {
  return { subscription: "", seq, expires: 0, signature: "" };
}

function readSequence(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new QuartetError("not_found", "There is no such event.");
}
