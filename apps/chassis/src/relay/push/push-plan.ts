import type { Registry } from "@bufbuild/protobuf";
import { EventDataFormat, type Subscription } from "../../gen/quartet/v1/subscription_pb.ts";
import type { WebhookSecret } from "../../wire/webhook/webhook-signature.ts";
import type { PushMode, PushTarget } from "./push-target.ts";
import { activeSecrets, signingName } from "./subscription-secrets.ts";

/** What all pushes of a relay share. */
export interface PushSettings {
  readonly domainName: string;
  /** Of the deployment, the newest first. At least one. */
  readonly secrets: readonly WebhookSecret[];
  /** The types that data can be pushed of in the protobuf wire format. */
  readonly registry: Registry;
  /** Where subscribers reach this relay, for data by reference. Absent: all data is pushed whole. */
  readonly relayUrl?: string | undefined;
}

/** What of a subscription says how its events are pushed. */
export type PushSubscription = Pick<
  Subscription,
  "name" | "replayOf" | "secretSeeds" | "order" | "dataFormat" | "maxDataBytes" | "replies"
>;

/** All that the pushes of one subscription have in common, made once. */
export interface PushPlan {
  readonly settings: PushSettings;
  readonly subscription: PushSubscription;
  readonly own: boolean;
  readonly mode: PushMode;
  readonly path: string;
  /** Under whose name its events go. */
  readonly name: string;
  readonly isReplay: boolean;
  /** The newest first; all sign. */
  readonly secrets: readonly WebhookSecret[];
  readonly validUntilMs: number;
  readonly maxDataBytes: number;
  /** What data is encoded with in the protobuf wire format; undefined: it goes as JSON. */
  readonly protobuf: Registry | undefined;
  /** Headers of every request, as a list of names and values. */
  readonly headers: readonly string[];
}

const maxDataBytes = 1_048_576;
/** What our own inbox takes (edge/read-body.ts), less an envelope and some more events. */
const maxOwnDataBytes = 4 * maxDataBytes;

const plans = new WeakMap<PushTarget, PushPlan>();

/** The plan of a target's pushes; made anew when its subscription is another, or a secret has expired. */
export function planPushes(
  target: PushTarget,
  settings: PushSettings,
  subscription: PushSubscription,
  nowMs: number,
): PushPlan {
  const known = plans.get(target);
  const isValid = known?.subscription === subscription && known.settings === settings;
  if (known !== undefined && isValid && nowMs < known.validUntilMs) return known;
  const plan = createPlan(target, settings, subscription, nowMs);
  plans.set(target, plan);
  return plan;
}

function createPlan(
  target: PushTarget,
  settings: PushSettings,
  subscription: PushSubscription,
  nowMs: number,
): PushPlan {
  const { own, mode, path } = target;
  const { secrets, validUntilMs } = own
    ? { secrets: settings.secrets, validUntilMs: Number.POSITIVE_INFINITY }
    : activeSecrets(settings.secrets, subscription, nowMs);
  const isProtobuf = subscription.dataFormat === EventDataFormat.PROTOBUF;
  return {
    settings,
    subscription,
    own,
    mode,
    path,
    name: signingName(subscription),
    isReplay: subscription.replayOf !== "",
    secrets,
    validUntilMs,
    maxDataBytes: subscription.maxDataBytes || (own ? maxOwnDataBytes : maxDataBytes),
    protobuf: isProtobuf ? settings.registry : undefined,
    headers: commonHeaders(mode, subscription.replies),
  };
}

function commonHeaders(mode: PushMode, replies: boolean): string[] {
  const headers = ["user-agent", "quartet-relay"];
  if (mode === "structured") headers.push("content-type", "application/cloudevents+json; charset=utf-8");
  if (mode === "batch") headers.push("content-type", "application/cloudevents-batch+json; charset=utf-8");
  if (mode === "binary") headers.push("ce-specversion", "1.0");
  if (replies) headers.push("prefer", "reply");
  return headers;
}
