import { createHmac, timingSafeEqual } from "node:crypto";
import { QuartetError } from "../../error/quartet-error.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";

/** Where a relay serves the data of events that are pushed by reference, followed by the sequence. */
export const dataRefPath = "/_quartet/events/";

/** Which event a subscriber may fetch, and until when. */
export interface DataRefGrant {
  readonly subscription: string;
  /** Sequence of the event in the log. */
  readonly seq: bigint;
  /** Seconds since 1970. */
  readonly expires: number;
}

/** A grant as it came from outside, not yet proven. */
export interface DataRefToken extends DataRefGrant {
  readonly signature: string;
}

/**
 * The URL of an event's data (the CloudEvents extension `dataref`): whoever holds it may fetch that one event until it
 * expires. Signed with the subscription's newest secret, so that it ends with a secret that is taken back.
 *
 * @param relayUrl of the relay's listener, as the subscriber reaches it, without a slash at its end
 */
export function createDataRef(relayUrl: string, secret: WebhookSecret, grant: DataRefGrant): string {
  const subscription = Buffer.from(grant.subscription).toString("base64url");
  const token = `${grant.expires}.${subscription}.${sign(secret, grant)}`;
  return `${relayUrl}${dataRefPath}${grant.seq}?token=${token}`;
}

/** What a token says: whose secrets must verify it. Undefined when it is none. */
export function parseDataRefToken(seq: bigint, token: string): DataRefToken | undefined {
  const parts = /^(\d{1,12})\.([\w-]{1,1024})\.([\w-]{43})$/.exec(token);
  const [, expires, subscription, signature] = parts ?? [];
  if (expires === undefined || subscription === undefined || signature === undefined) return undefined;
  const name = Buffer.from(subscription, "base64url").toString();
  // No subscription is called so, and the database could not even be asked.
  if (name.includes("\0")) return undefined;
  return {
    subscription: name,
    seq,
    expires: Number(expires),
    signature,
  };
}

/**
 * Passes when one of the subscription's active secrets has granted it and it has not expired.
 *
 * @throws QuartetError `permission_denied`.
 */
export function verifyDataRef(
  secrets: readonly WebhookSecret[],
  token: DataRefToken,
  nowSeconds: number,
): void {
  let matches = false;
  for (const secret of secrets) matches = sameText(sign(secret, token), token.signature) || matches;
  // Negated, so that a NaN refuses.
  if (!matches || !(nowSeconds < token.expires)) {
    throw new QuartetError(
      "permission_denied",
      "The token for this event's data is not valid, or has expired.",
      {
        field: "token",
        fix: "Let the event be pushed again: each push carries a new one.",
      },
    );
  }
}

function sign(secret: WebhookSecret, { subscription, seq, expires }: DataRefGrant): string {
  const message = `dataref\0${subscription}\0${seq}\0${expires}`;
  return createHmac("sha256", secret).update(message).digest("base64url");
}

function sameText(expected: string, given: string): boolean {
  return expected.length === given.length && timingSafeEqual(Buffer.from(expected), Buffer.from(given));
}
