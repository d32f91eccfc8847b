import type { IncomingMessage } from "node:http";
import { QuartetError } from "../error/quartet-error.ts";
import { type CloudEvent, decodeCloudEvents } from "../wire/cloud-event/cloud-event.ts";
import { essence } from "../wire/cloud-event/media-type.ts";
import { readBody } from "../wire/http/read-body.ts";
import { verifyWebhook, type WebhookSecret } from "../wire/webhook/webhook-signature.ts";

/** What a push must be to be read. */
export interface PushRules {
  /** Any of them may have signed it. `none`: nobody need have. */
  readonly secrets: readonly WebhookSecret[] | "none";
  readonly maxBodyBytes: number;
}

/** The events of one request, in order. */
export interface Push {
  readonly events: readonly CloudEvent[];
  readonly mode: "binary" | "structured" | "batch";
}

/**
 * Reads a signed push: CloudEvents of any mode in a POST.
 *
 * The signature covers the body and `webhook-id`. In binary mode the event's id is a header of its own, so the two must
 * be the same: else whoever sees one push could have its effect again under another id. Type, key and the other
 * attributes of binary mode stand in headers that nothing covers; where the way is not trusted, ask for structured mode.
 *
 * @throws QuartetError `method_not_allowed`, `too_large`, `canceled`, `unauthenticated`, what is said at
 * {@link decodeCloudEvents}, or `internal` when the host has read the body and kept no bytes of it.
 */
export async function readPush(request: IncomingMessage, rules: PushRules): Promise<Push> {
  if (request.method !== "POST") {
    throw new QuartetError("method_not_allowed", "Events are posted.", { allow: ["POST"] });
  }
  const body = await readBytes(request, rules.maxBodyBytes);
  const { headers } = request;
  if (rules.secrets !== "none") {
    verifyWebhook(rules.secrets, headers, body, Math.floor(Date.now() / 1000));
  }
  const mode = modeOf(headers["content-type"] ?? "");
  const events = decodeCloudEvents(headers, body);
  if (mode === "binary" && rules.secrets !== "none" && events[0]?.id !== headers["webhook-id"]) {
    throw new QuartetError("unprocessable_event", "The event was not signed under its own id.", {
      field: "webhook-id",
      fix: "Send the event's id as webhook-id, or in structured mode, where the body says it.",
    });
  }
  return { events, mode };
}

function modeOf(contentType: string): Push["mode"] {
  const mediaType = essence(contentType);
  if (mediaType === "application/cloudevents-batch+json") return "batch";
  return mediaType === "application/cloudevents+json" ? "structured" : "binary";
}

/** The body as it was sent. A parser of the host may have read it: the bytes it kept will do, an object will not. */
async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const { body, rawBody } = request as { readonly body?: unknown; readonly rawBody?: unknown };
  const kept = [body, rawBody].find((value) => value instanceof Uint8Array);
  if (kept instanceof Uint8Array) {
    if (kept.length <= maxBytes) return kept;
    throw new QuartetError("too_large", `The body is larger than ${maxBytes} bytes.`);
  }
  // An error that is tried again: the event is not to blame, and no dead letter.
  if (request.readableDidRead || request.readableEnded) {
    throw new QuartetError(
      "internal",
      "A body parser has read the request; its signature is over raw bytes.",
      {
        fix: 'Mount the inbox before express.json(), or express.raw({ type: () => true, limit: "8mb" }) on its path.',
      },
    );
  }
  return readBody(request, maxBytes);
}
