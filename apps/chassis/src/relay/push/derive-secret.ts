import { createHmac } from "node:crypto";
import { parseSecret, type WebhookSecret } from "../../wire/webhook/webhook-signature.ts";

/**
 * The secrets of a subscription of an outside party: made of ours and its name, so that whoever verifies its pushes
 * cannot sign any other's, least of all those to our own inbox.
 */
export function deriveSecrets(
  secrets: readonly WebhookSecret[],
  subscription: string,
): readonly WebhookSecret[] {
  return secrets.map((secret) => {
    const derived = createHmac("sha256", secret).update(`subscription\0${subscription}`).digest("base64");
    return parseSecret(`whsec_${derived}`);
  });
}
