import type { PoolClient } from "pg";
import { QuartetError } from "../../error/quartet-error.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { TableReader } from "../../pbtable/table-reader.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { tableOf } from "../../schema/table/table.ts";
import type { SqlClient } from "../../sql/sql-client.ts";

const table = tableOf(SubscriptionSchema);

/** Reads of the rows that subscriptions are. */
export function subscriptionReader(client: SqlClient): TableReader<typeof SubscriptionSchema> {
  return new TableReader(table, client, systemRegistry);
}

/** Changes of the rows that subscriptions are, inside a transaction. */
export function subscriptionWriter(client: PoolClient): TableWriter<typeof SubscriptionSchema> {
  return new TableWriter(table, client, systemRegistry);
}

/** @throws QuartetError `not_found`. */
export function requireSubscription(found: Subscription | undefined, name: string): Subscription {
  if (found !== undefined) return found;
  throw new QuartetError("not_found", `There is no subscription ${name}.`, {
    field: "name",
    fix: "quartet subscriptions list shows all there are.",
  });
}

/** @throws QuartetError `not_found`. */
export async function lockSubscription(client: PoolClient, name: string): Promise<Subscription> {
  return requireSubscription(await subscriptionWriter(client).getForUpdate(name), name);
}

/**
 * What an operator may not change of a subscription that code declares would be undone at the relay's next start.
 *
 * @throws QuartetError `failed_precondition`.
 */
export function refuseDeclared({ name, declared }: Subscription, what: string): void {
  if (!declared) return;
  throw new QuartetError(
    "failed_precondition",
    `${name} is declared by code, so it cannot be ${what} here.`,
    {
      field: "name",
      fix: "Change the reaction, or the option (quartet.v1.subscription) of its event, and deploy.",
    },
  );
}
