import { create } from "@bufbuild/protobuf";
import { systemSubscriptions } from "../../command/received-event.ts";
import { type SecretSeed, SecretSeedSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import { activeSecrets } from "../push/subscription-secrets.ts";

/**
 * What the secrets of callbacks to an origin are derived from. One for each origin: whoever is called back can verify
 * that it was this deployment, and cannot sign what others would believe.
 */
export function callbackSeeds(origin: string): SecretSeed[] {
  return [create(SecretSeedSchema, { seed: origin })];
}

/** The secrets that sign callbacks to an origin, one for each of the deployment's, the newest first. */
export function callbackSecrets(
  deployment: readonly WebhookSecret[],
  origin: string,
): readonly WebhookSecret[] {
  const subscription = {
    name: systemSubscriptions.callbacks,
    secretSeeds: callbackSeeds(origin),
    replayOf: "",
  };
  return activeSecrets(deployment, subscription, Date.now()).secrets;
}
