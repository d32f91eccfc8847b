import { createHmac } from "node:crypto";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import { parseSecret, type WebhookSecret } from "../../wire/webhook/webhook-signature.ts";

/** What of a subscription its secrets are made of. */
export type SecretSubscription = Pick<Subscription, "name" | "secretSeeds" | "replayOf">;

/** Secrets, and until when they are the ones that sign. */
export interface ActiveSecrets {
  /** The newest first; all of them sign. At least one. */
  readonly secrets: readonly WebhookSecret[];
  /** Milliseconds since 1970; infinite when none of them ends. */
  readonly validUntilMs: number;
}

/**
 * The secrets that sign the pushes of a subscription of an outside party: each seed that has not expired by each secret
 * of the deployment, both newest first. Made of ours and its name, so that whoever verifies its pushes cannot sign any
 * other's, least of all those to our own inbox; and stored nowhere. Without seeds, or with an empty one, of the name alone.
 *
 * The newest seed never expires: a push is never left unsigned. A replay signs as what it replays.
 */
export function activeSecrets(
  deployment: readonly WebhookSecret[],
  subscription: SecretSubscription,
  nowMs: number,
): ActiveSecrets {
  const [newest, ...older] = subscription.secretSeeds;
  const kept = older.flatMap(({ seed, expireTime }) => {
    const expiresMs = expireTime === undefined ? Number.POSITIVE_INFINITY : timestampMs(expireTime);
    return expiresMs > nowMs ? [{ seed, expiresMs }] : [];
  });
  const name = signingName(subscription);
  const seeds = [newest?.seed ?? "", ...kept.map(({ seed }) => seed)];
  return {
    secrets: seeds.flatMap((seed) => deployment.map((secret) => deriveSecret(secret, name, seed))),
    validUntilMs: Math.min(...kept.map(({ expiresMs }) => expiresMs), Number.POSITIVE_INFINITY),
  };
}

/** Under whose name a subscription's pushes go: a replay under that of the one it replays. */
export function signingName(subscription: Pick<Subscription, "name" | "replayOf">): string {
  return subscription.replayOf === "" ? subscription.name : subscription.replayOf;
}

/** A secret as Standard Webhooks writes it, for its owner's eyes: `whsec_` and the base64 of its bytes. */
export function printableSecret(secret: WebhookSecret): string {
  return `whsec_${secret.export().toString("base64")}`;
}

/** Domain-separated from webhook messages, which have no NUL, and of a fixed shape: names and seeds hold none either. */
function deriveSecret(secret: WebhookSecret, name: string, seed: string): WebhookSecret {
  const parts = seed === "" ? ["subscription", name] : ["subscription", name, seed];
  return parseSecret(`whsec_${createHmac("sha256", secret).update(parts.join("\0")).digest("base64")}`);
}
