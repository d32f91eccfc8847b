import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Pool } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import type {
  CreateSubscriptionRequest,
  ReplaySubscriptionRequest,
  Subscriptions,
} from "../../gen/quartet/v1/relay_admin_pb.ts";
import type { Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { OutsideReach } from "../../wire/http/guarded-connect.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import { callbackEndpoint } from "../callback/callback-endpoint.ts";
import { activeSecrets, printableSecret } from "../push/subscription-secrets.ts";
import { createSubscription } from "../subscription/create-subscription.ts";
import { deleteSubscription } from "../subscription/delete-subscription.ts";
import { pauseSubscription, resumeSubscription } from "../subscription/pause-subscription.ts";
import { getSubscription, listSubscriptions } from "../subscription/read-subscriptions.ts";
import { replaySubscription } from "../subscription/replay-subscription.ts";
import { requireReachable } from "../subscription/require-reachable.ts";
import { rotateSecret } from "../subscription/rotate-secret.ts";
import type { LogEnds, SubscriptionStart } from "../subscription/start-sequence.ts";
import { updateSubscription } from "../subscription/update-subscription.ts";
import type { AdminHandlers } from "./admin-service.ts";
import { requireSecrets } from "./require-secrets.ts";

export type SubscriptionsHandlers = AdminHandlers<typeof Subscriptions>;

export interface SubscriptionsParts {
  /** Of the events database, with the relay's login. */
  readonly pool: Pool;
  readonly log: LogEnds;
  /** Of the deployment; without any, no secret can be told. */
  readonly secrets: readonly WebhookSecret[];
  /** Of outside endpoints: one that is out of reach is refused at once. */
  readonly reach: OutsideReach;
  /** Names that the code of the domain declares. */
  readonly declaredNames: () => Promise<ReadonlySet<string>>;
}

/** The service `quartet.v1.Subscriptions`. */
export function createSubscriptionsService(parts: SubscriptionsParts): SubscriptionsHandlers {
  const { pool, log, secrets } = parts;
  const stateOf = ({ name }: Subscription) => getSubscription(pool, name);
  return {
    listSubscriptions: async () => ({ subscriptions: await listSubscriptions(pool) }),
    getSubscription: ({ name }) => getSubscription(pool, name),
    createSubscription: async (request) => {
      const start = startOf(request) ?? { kind: "now" };
      const subscription = requireGiven(request.subscription);
      await requireReachable(subscription.endpoint, parts.reach);
      return stateOf(await createSubscription(pool, log, subscription, start));
    },
    updateSubscription: async ({ subscription, updateMask }) => {
      const changes = requireGiven(subscription);
      const paths = updateMask?.paths ?? [];
      if (paths.includes("endpoint")) await requireReachable(changes.endpoint, parts.reach);
      return stateOf(await updateSubscription(pool, changes, paths));
    },
    deleteSubscription: async ({ name }) => {
      await deleteSubscription(pool, name, await parts.declaredNames());
      return {};
    },
    pauseSubscription: async ({ name, reason }) => stateOf(await pauseSubscription(pool, name, reason)),
    resumeSubscription: async ({ name }) => stateOf(await resumeSubscription(pool, name)),
    replaySubscription: async (request) => {
      const { name, untilSequence, rate } = request;
      const start = startOf(request);
      if (start === undefined) throw noStart();
      if (untilSequence < 0n) throw noSequence(untilSequence);
      const until = untilSequence === 0n ? undefined : untilSequence;
      const range = { start, until, rate: rate === 0 ? undefined : rate };
      return stateOf(await replaySubscription(pool, log, name, range));
    },
    readSecrets: async ({ name }) => {
      const { subscription } = await getSubscription(pool, name);
      return { secrets: printSecrets(secrets, requireGiven(subscription)) };
    },
    rotateSecret: async ({ name, overlap }) => {
      requireSecrets(secrets);
      const rotated = await rotateSecret(pool, name, overlap === undefined ? undefined : durationMs(overlap));
      return { secrets: printSecrets(secrets, rotated) };
    },
  };
}

function startOf({
  start,
}: CreateSubscriptionRequest | ReplaySubscriptionRequest): SubscriptionStart | undefined {
  switch (start.case) {
    case "fromBeginning":
      return { kind: start.value ? "beginning" : "now" };
    case "fromTime":
      return { kind: "time", time: timestampDate(start.value) };
    case "fromSequence":
      return { kind: "sequence", sequence: start.value };
    default:
      return undefined;
  }
}

/** @throws QuartetError `failed_precondition` for a subscription that is signed with the deployment's own secret. */
function printSecrets(deployment: readonly WebhookSecret[], subscription: Subscription): string[] {
  requireSecrets(deployment);
  if (subscription.endpoint === callbackEndpoint) {
    throw new QuartetError("failed_precondition", "Callbacks have a secret for each origin.", {
      field: "name",
      fix: "quartet operations callback-secret URL",
    });
  }
  if (subscription.endpoint.startsWith("class:")) {
    throw new QuartetError(
      "failed_precondition",
      `${subscription.name} is signed with the deployment's own secret, which is not told.`,
      { field: "name" },
    );
  }
  return activeSecrets(deployment, subscription, Date.now()).secrets.map(printableSecret);
}

function requireGiven(subscription: Subscription | undefined): Subscription {
  if (subscription !== undefined) return subscription;
  throw new QuartetError("invalid_argument", "There is no subscription in the request.", {
    field: "subscription",
  });
}

function noStart(): QuartetError {
  return new QuartetError("invalid_argument", "Nothing says where the replay begins.", {
    field: "start",
    fix: "Give from_time, from_sequence or from_beginning.",
  });
}

function noSequence(sequence: bigint): QuartetError {
  return new QuartetError("invalid_argument", `until_sequence is ${sequence}.`, {
    field: "until_sequence",
    fix: "It takes a sequence of the log, or 0 for the newest one.",
  });
}
