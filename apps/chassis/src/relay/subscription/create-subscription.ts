import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { Pool, PoolClient } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { checkName, checkSubscription } from "./check-subscription.ts";
import { createCursor } from "./create-cursor.ts";
import { findStart, type LogEnds, type SubscriptionStart } from "./start-sequence.ts";
import { subscriptionWriter } from "./subscription-table.ts";

/**
 * Creates a subscription that begins at `start`. Of the message, what only the platform sets is not taken.
 *
 * @throws QuartetError `invalid_argument` naming the field, `already_exists`.
 */
export async function createSubscription(
  pool: Pool,
  log: LogEnds,
  subscription: Subscription,
  start: SubscriptionStart = { kind: "now" },
): Promise<Subscription> {
  checkName(subscription.name);
  checkSubscription(subscription);
  const cursor = await findStart(log, start);
  const { $typeName, $unknown, secretSeeds, declared, replayOf, untilSequence, ...settable } = subscription;
  return runTransaction(pool, (client) => insertSubscription(client, settable, cursor));
}

/** Inserts a subscription and its cursor. */
export async function insertSubscription(
  client: PoolClient,
  init: Exclude<MessageInitShape<typeof SubscriptionSchema>, { readonly $typeName: string }>,
  cursor: bigint,
): Promise<Subscription> {
  const row = create(SubscriptionSchema, { ...init, createTime: timestampNow() });
  if (!(await subscriptionWriter(client).insertIfAbsent(row))) {
    throw new QuartetError("already_exists", `There is a subscription ${row.name} already.`, {
      field: "name",
      fix: "Change it with quartet subscriptions update, or choose another name.",
    });
  }
  // Whatever a row of that name may have left: the new one begins where it says.
  await client.query("delete from quartet.delivery_cursor where subscription = $1", [row.name]);
  await createCursor(client, row.name, cursor);
  return row;
}
