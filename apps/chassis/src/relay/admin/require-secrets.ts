import { QuartetError } from "../../error/quartet-error.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";

/** @throws QuartetError `failed_precondition` when the deployment's secret is not known here. */
export function requireSecrets(secrets: readonly WebhookSecret[]): void {
  if (secrets.length > 0) return;
  throw new QuartetError(
    "failed_precondition",
    "Secrets are derived from the deployment's, which is not known here.",
    {
      fix: "Set QUARTET_SECRET to what the relay has.",
    },
  );
}
