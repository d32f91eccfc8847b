import { timingSafeEqual } from "node:crypto";
import { QuartetError } from "../../error/quartet-error.ts";
import { hmacSha256 } from "./hmac-sha256.ts";
import type { WebhookSecret } from "./webhook-secret.ts";

export { parseSecret, type WebhookSecret } from "./webhook-secret.ts";

// The id is a header value; a full stop in it would let a signature be read with another id and timestamp.
const MESSAGE_ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;

/**
 * The value of `webhook-signature`: for each secret, in order, `v1,` and the base64 of HMAC-SHA256 over
 * `id.timestamp.body`, separated by spaces (Standard Webhooks, "Webhook headers"). During rotation give the new and
 * the old secret. `timestampSeconds` is the time of this attempt and is sent as `webhook-timestamp`. The body is
 * signed as the bytes it is; headers other than the two are not covered.
 *
 * @throws QuartetError `invalid_argument` without a secret, for an id that is not 1 to 256 visible ASCII characters
 * without a full stop, and for a timestamp that is no whole, non-negative number.
 */
export function signWebhook(
  secrets: readonly WebhookSecret[],
  id: string,
  timestampSeconds: number,
  body: Uint8Array,
): string {
  if (secrets.length === 0) throw invalid("secrets", "A webhook needs at least one secret.");
  if (!MESSAGE_ID.test(id))
    throw invalid("id", "A webhook id is 1 to 256 visible ASCII characters without a full stop.");
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds < 0) {
    throw invalid(
      "timestampSeconds",
      `A webhook timestamp is whole seconds since 1970, not ${timestampSeconds}.`,
    );
  }
  return secrets.map((secret) => computeSignature(secret, id, String(timestampSeconds), body)).join(" ");
}

/** The signature, `v1,` before it, over the metadata exactly as the headers carry it. */
function computeSignature(secret: WebhookSecret, id: string, timestamp: string, body: Uint8Array): string {
  return `v1,${hmacSha256(secret, `${id}.${timestamp}.`, body)}`;
}

function invalid(field: string, message: string): QuartetError {
  return new QuartetError("invalid_argument", message, { field });
}

/** Headers as Node gives them, in any case. */
export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Accepts a webhook when any `v1` signature in its headers is right for any of the secrets and its timestamp is at
 * most `toleranceSeconds` from `nowSeconds`, either way (Standard Webhooks, "Verifying signatures"). Signatures of
 * other versions are ignored. The time taken does not depend on which signature or secret matches, or how far.
 *
 * A replay within the tolerance passes: the receiver drops it by `webhook-id`. Headers other than `webhook-id` and
 * `webhook-timestamp` are not covered by the signature.
 *
 * @throws QuartetError `unauthenticated` with the header as `field`.
 */
export function verifyWebhook(
  secrets: readonly WebhookSecret[],
  headers: WebhookHeaders,
  body: Uint8Array,
  nowSeconds: number,
  toleranceSeconds = 300,
): void {
  const keys = Object.keys(headers);
  const id = readHeader(headers, keys, "webhook-id");
  const timestamp = readHeader(headers, keys, "webhook-timestamp");
  const signatures = readHeader(headers, keys, "webhook-signature");
  if (!MESSAGE_ID.test(id)) throw unauthenticated("webhook-id", "is not an id");
  checkTimestamp(timestamp, nowSeconds, toleranceSeconds);
  const given = signatures.split(" ").filter((entry) => entry.startsWith("v1,"));
  if (given.length === 0) throw unauthenticated("webhook-signature", "has no v1 signature");
  let matches = false;
  for (const secret of secrets) {
    const expected = Buffer.from(computeSignature(secret, id, timestamp, body));
    for (const signature of given) matches = sameBytes(expected, Buffer.from(signature)) || matches;
  }
  if (!matches) throw unauthenticated("webhook-signature", "matches no secret");
}

function checkTimestamp(timestamp: string, nowSeconds: number, toleranceSeconds: number): void {
  if (!/^(0|[1-9]\d{0,14})$/.test(timestamp)) {
    throw unauthenticated("webhook-timestamp", "is not in seconds since 1970");
  }
  // Negated, so that a NaN refuses.
  if (!(Math.abs(nowSeconds - Number(timestamp)) <= toleranceSeconds)) {
    throw unauthenticated("webhook-timestamp", `is more than ${toleranceSeconds} s away from the time here`);
  }
}

/** `keys` are the headers' names in any case, listed once: that takes longer than all else here. */
function readHeader(headers: WebhookHeaders, keys: readonly string[], name: string): string {
  let found: string | undefined;
  for (const key of keys) {
    if (key.length !== name.length || key.toLowerCase() !== name) continue;
    const value = headers[key];
    const first = typeof value === "object" ? value[0] : value;
    if (first === undefined) continue;
    const isList = typeof value === "object" && value.length > 1;
    if (isList || found !== undefined) throw unauthenticated(name, "is given more than once");
    found = first;
  }
  if (found === undefined || found === "") throw unauthenticated(name, "is missing");
  return found;
}

function sameBytes(expected: Buffer, given: Buffer): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function unauthenticated(header: string, reason: string): QuartetError {
  return new QuartetError("unauthenticated", `The header ${header} ${reason}.`, { field: header });
}
