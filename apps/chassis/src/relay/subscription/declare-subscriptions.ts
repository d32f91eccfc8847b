import { create, getOption } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { Pool, PoolClient } from "pg";
import { reactionPrefix, systemSubscriptions } from "../../command/received-event.ts";
import { OperationEndedSchema } from "../../gen/quartet/v1/callback_pb.ts";
import { CommandAcceptedSchema, CommandFailedSchema, IntentSchema } from "../../gen/quartet/v1/intent_pb.ts";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { StartAt } from "../../gen/quartet/v1/options_pb.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import type { Domain } from "../../service/domain.ts";
import { eventTypesOf, type Reaction } from "../../service/reaction.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { callbackEndpoint } from "../callback/callback-endpoint.ts";
import { createCursor } from "./create-cursor.ts";
import { findStart, type LogEnds } from "./start-sequence.ts";
import { subscriptionWriter } from "./subscription-table.ts";

/** One that fails holds up no other. */
const callbacks = { order: options.DeliveryOrder.NONE, start: "beginning" } as const;

type Settings = Pick<Subscription, "concurrency" | "order" | "mode" | "batch" | "rate" | "delivery">;

/** What code says of a subscription. All else of its row stays as whoever changed it last has left it. */
export interface DeclaredSubscription
  extends Pick<Subscription, "name" | "types" | "endpoint" | "replies">,
    Partial<Settings> {
  /** Where it begins when it is new. */
  readonly start: "now" | "beginning";
}

const defaultConcurrency = 16;

/** The platform's own subscriptions and one per reaction of the domain. */
export function declareSubscriptions(domain: Domain): readonly DeclaredSubscription[] {
  return [
    system(systemSubscriptions.intents, "class:crud", [IntentSchema.typeName, CommandFailedSchema.typeName]),
    system(systemSubscriptions.operations, "class:crud", [CommandAcceptedSchema.typeName]),
    system(systemSubscriptions.decisions, "class:micro", [CommandAcceptedSchema.typeName]),
    // From the beginning: a crud process of this build may have ended operations before a relay of it runs.
    {
      ...system(systemSubscriptions.callbacks, callbackEndpoint, [OperationEndedSchema.typeName]),
      ...callbacks,
    },
    ...[...domain.reactions.values()].map(declareReaction),
  ];
}

/** How it delivers is said by no code, so an operator may. */
function system(name: string, endpoint: string, types: string[]): DeclaredSubscription {
  return { name, endpoint, types, replies: false, start: "now" };
}

function declareReaction(reaction: Reaction): DeclaredSubscription {
  const settings = getOption(reaction.settings, options.subscription);
  const { concurrency, order, mode, batch, rate, delivery, start } = settings;
  return {
    name: reactionPrefix + reaction.name,
    endpoint: `class:${reaction.serviceClass}`,
    types: [...eventTypesOf(reaction)],
    concurrency: concurrency || defaultConcurrency,
    order,
    mode,
    batch,
    rate,
    // A lambda has no database: what its reactions decide is in their answers.
    replies: reaction.serviceClass === "lambda",
    delivery,
    start: start === StartAt.BEGINNING ? "beginning" : "now",
  };
}

/**
 * Records what code declares. New subscriptions begin where they say; of known ones the settings become what the code
 * says, while cursor, secrets and whether they are paused stay. Nothing is removed.
 */
export async function recordSubscriptions(
  pool: Pool,
  log: LogEnds,
  declared: readonly DeclaredSubscription[],
): Promise<void> {
  for (const { start, ...row } of declared) {
    const cursor = await findStart(log, { kind: start });
    await runTransaction(pool, (client) => recordOne(client, row, cursor));
  }
}

async function recordOne(
  client: PoolClient,
  declared: Omit<DeclaredSubscription, "start">,
  cursor: bigint,
): Promise<void> {
  const writer = subscriptionWriter(client);
  const row = create(SubscriptionSchema, { name: declared.name, declared: true, createTime: timestampNow() });
  Object.assign(row, declared);
  if (!(await writer.insertIfAbsent(row))) {
    // Two relays that start at once say the same: the second one changes nothing.
    await writer.update(declared.name, (draft) => {
      Object.assign(draft, declared, { declared: true });
    });
  }
  await createCursor(client, declared.name, cursor);
}
