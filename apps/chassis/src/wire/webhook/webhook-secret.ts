import { createSecretKey, type KeyObject } from "node:crypto";
import { QuartetError } from "../../error/quartet-error.ts";

declare const brand: unique symbol;

/** A signing key. Printing or serialising it shows no byte of it. */
export type WebhookSecret = KeyObject & { readonly [brand]: "WebhookSecret" };

const PREFIX = "whsec_";
const MIN_BYTES = 24;
const MAX_BYTES = 64;

/**
 * Parses a secret as Standard Webhooks serialises it ("Signature scheme"): `whsec_` and the padded base64 of 24 to 64
 * bytes.
 *
 * @throws QuartetError `invalid_argument`, which never contains any part of the text.
 */
export function parseSecret(text: string): WebhookSecret {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : "";
  const bytes = Buffer.from(encoded, "base64");
  // Buffer skips what is not base64, so only text that encodes back to itself was base64.
  const strict = bytes.toString("base64") === encoded;
  if (!strict || bytes.length < MIN_BYTES || bytes.length > MAX_BYTES) {
    throw new QuartetError(
      "invalid_argument",
      "A webhook secret is whsec_ and the base64 of 24 to 64 bytes.",
      {
        fix: `node -p '"${PREFIX}" + crypto.randomBytes(32).toString("base64")'`,
      },
    );
  }
  return createSecretKey(bytes) as WebhookSecret; // The brand exists only in types.
}
