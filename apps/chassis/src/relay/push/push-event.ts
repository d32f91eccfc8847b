import type { Dispatcher } from "undici";
import { isServiceClass } from "../../class/service-class.ts";
import { inboxPath } from "../../edge/inbox-endpoint.ts";
import type { ClassUpstreams } from "../../edge/upstream/class-upstreams.ts";
import { UpstreamPool } from "../../edge/upstream/upstream-pool.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { type CloudEvent, encodeBinary, encodeStructured } from "../../wire/cloud-event/cloud-event.ts";
import { signWebhook, type WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import type { LogEvent } from "../log/log-event.ts";
import { deriveSecrets } from "./derive-secret.ts";
import { classifyStatus, type PushOutcome, parseRetryAfter } from "./push-outcome.ts";

/** Where a subscription's pushes go. */
export interface PushTarget {
  readonly pool: UpstreamPool;
  readonly path: string;
  /** The endpoint is a class of this domain, not a stranger's. */
  readonly own: boolean;
}

/** What all pushes of a relay share. */
export interface PushSettings {
  readonly domainName: string;
  readonly secrets: readonly WebhookSecret[];
}

/** One attempt. */
export interface PushAttempt {
  readonly subscription: string;
  readonly event: LogEvent;
  /** From 1. */
  readonly attempt: number;
  readonly timeoutMs: number;
}

const keptAnswerBytes = 1024;
const wellTimeoutMs = 1_000;

/**
 * Resolves a subscription's endpoint: `class:micro` means the processes of that class as the relay's environment names
 * them; where it names none, the crud class, which may do everything.
 */
export function resolveTarget(endpoint: string, upstreams: ClassUpstreams): PushTarget {
  const serviceClass = /^class:(\w+)$/.exec(endpoint)?.[1];
  if (serviceClass !== undefined && isServiceClass(serviceClass)) {
    const pool = upstreams.of(serviceClass);
    return { pool: pool.isEmpty ? upstreams.of("crud") : pool, path: inboxPath, own: true };
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new QuartetError("invalid_argument", `"${endpoint}" is no endpoint.`, {
      fix: "Use class:crud, class:micro, or an http(s) URL.",
    });
  }
  return { pool: new UpstreamPool([url.origin]), path: url.pathname + url.search, own: false };
}

/** Whether an endpoint is well: one of ours that says so itself. Of a stranger's nothing is known but its answers. */
export async function isWell(target: PushTarget): Promise<boolean> {
  if (!target.own) return true;
  const [upstream] = target.pool.candidates();
  if (upstream === undefined) return false;
  try {
    const signal = AbortSignal.timeout(wellTimeoutMs);
    const answer = await target.pool.request(upstream, { method: "GET", path: "/readyz", signal });
    await answer.body.dump();
    return answer.statusCode === 200;
  } catch {
    return false;
  }
}

/** Pushes one event once, as a signed CloudEvent. Never throws for what the other side does. */
export async function pushEvent(
  target: PushTarget,
  settings: PushSettings,
  attempt: PushAttempt,
  signal: AbortSignal,
): Promise<PushOutcome> {
  const [upstream] = target.pool.candidates();
  const destination = `${upstream?.url ?? ""}${target.path}`;
  if (upstream === undefined) return away(destination, "no process of this class is configured");
  const push = tryEncode(settings, target, attempt);
  if (push instanceof Error) {
    return { kind: "refused", destination, status: 0, answer: push.message, retryAfterMs: undefined };
  }
  try {
    const answer = await target.pool.request(upstream, {
      method: "POST",
      path: target.path,
      ...push,
      signal,
    });
    const kind = classifyStatus(answer.statusCode, target.own);
    if (kind === "acknowledged") {
      // Its status has said all. A body that does not end soon costs its connection, and nothing else.
      answer.body.dump({ limit: keptAnswerBytes, signal }).catch(() => undefined);
      return { kind };
    }
    const text = await readStart(answer.body);
    const retryAfter = answer.headers["retry-after"];
    return {
      kind,
      destination,
      status: answer.statusCode,
      answer: text,
      retryAfterMs: parseRetryAfter(typeof retryAfter === "string" ? retryAfter : undefined),
    };
  } catch (error) {
    return away(destination, describeNetworkError(error));
  }
}

/** With its code, which says more than some messages do. */
function describeNetworkError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? `${error.message} (${error.code})` : error.message;
}

/** The start of an answer's body. What is left of it is not read. */
async function readStart(body: Dispatcher.ResponseData["body"]): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= keptAnswerBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, keptAnswerBytes).toString("utf8");
}

function away(destination: string, answer: string): PushOutcome {
  return { kind: "away", destination, status: 0, answer, retryAfterMs: undefined };
}

/** An event that no CloudEvent can carry will never be taken. */
function tryEncode(
  settings: PushSettings,
  target: PushTarget,
  attempt: PushAttempt,
): ReturnType<typeof encodePush> | Error {
  try {
    return encodePush(settings, target, attempt);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * To strangers in binary mode, the default of the field. To our own inbox in structured mode: a webhook's signature
 * covers the body alone, and there the body must say all that is to be done.
 */
function encodePush(settings: PushSettings, target: PushTarget, attempt: PushAttempt) {
  const { event } = attempt;
  const cloudEvent = toCloudEvent(settings.domainName, event, attempt.subscription);
  const encoded = target.own ? encodeStructured(cloudEvent) : encodeBinary(cloudEvent);
  const timestamp = Math.floor(Date.now() / 1000);
  return {
    body: encoded.body,
    headers: {
      ...encoded.headers,
      "webhook-id": event.eventId,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signWebhook(
        target.own ? settings.secrets : deriveSecrets(settings.secrets, attempt.subscription),
        event.eventId,
        timestamp,
        encoded.body,
      ),
      "quartet-attempt": String(attempt.attempt),
      "connect-timeout-ms": String(attempt.timeoutMs),
    },
  };
}

/** Sequence as a padded string: CloudEvents integers are 32-bit, and strings of one length order like numbers. */
function toCloudEvent(domainName: string, event: LogEvent, subscription: string): CloudEvent {
  const extensions: Record<string, string> = {
    sequence: event.seq.toString().padStart(19, "0"),
    quartetsubscription: subscription,
  };
  const key = encodeControls(event.key);
  if (key !== "") extensions["partitionkey"] = key;
  if (event.position !== undefined) extensions["quartetposition"] = event.position;
  if (event.traceparent !== undefined) extensions["traceparent"] = event.traceparent;
  if (event.correlationId !== undefined) extensions["correlationid"] = event.correlationId;
  if (event.causationId !== undefined) extensions["causationid"] = event.causationId;
  return {
    id: event.eventId,
    source: `/quartet/${domainName}/${event.source}`,
    type: event.type,
    ...(key === "" ? {} : { subject: key }),
    time: event.committedAt.toISOString(),
    dataContentType: "application/json",
    extensions,
    data: Buffer.from(event.payload),
  };
}

/** A key may be any text; the strings of CloudEvents hold no control characters and no noncharacters (section 3.1). */
function encodeControls(key: string): string {
  return key.replaceAll(/[\p{Cc}\p{Noncharacter_Code_Point}\p{Surrogate}]/gu, (character) => {
    const bytes = [...Buffer.from(character)];
    return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
  });
}
