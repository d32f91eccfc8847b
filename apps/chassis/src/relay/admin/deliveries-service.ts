import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type { OperationDeliveries } from "../../gen/quartet/v1/relay_admin_pb.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import { callbackSecrets } from "../callback/callback-secrets.ts";
import { readCausedEvents } from "../delivery/caused-events.ts";
import { readDeliveries } from "../delivery/read-deliveries.ts";
import { printableSecret } from "../push/subscription-secrets.ts";
import type { AdminHandlers } from "./admin-service.ts";
import { requireSecrets } from "./require-secrets.ts";

export type DeliveriesHandlers = AdminHandlers<typeof OperationDeliveries>;

export interface DeliveriesParts {
  /** Of the events database, with the relay's login. */
  readonly pool: Pool;
  /** Of the deployment; without any, no secret can be told. */
  readonly secrets: readonly WebhookSecret[];
  readonly domainName: () => Promise<string>;
}

/** The service `quartet.v1.OperationDeliveries`. */
export function createDeliveriesService({ pool, secrets, domainName }: DeliveriesParts): DeliveriesHandlers {
  return {
    getOperationDeliveries: async ({ operationId, acceptTime }) => {
      if (acceptTime === undefined) {
        throw new QuartetError("invalid_argument", "accept_time is missing.", {
          field: "accept_time",
          fix: "GET /operations/{id} has it, in the operation's metadata.",
        });
      }
      const { events, truncated } = await readCausedEvents(pool, operationId, timestampMs(acceptTime));
      return { events: [...(await readDeliveries(pool, await domainName(), events))], truncated };
    },
    readCallbackSecrets: async ({ url }) => {
      requireSecrets(secrets);
      if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
        throw new QuartetError("invalid_argument", "The URL is no http(s) URL.", { field: "url" });
      }
      return { secrets: callbackSecrets(secrets, new URL(url).origin).map(printableSecret) };
    },
  };
}
