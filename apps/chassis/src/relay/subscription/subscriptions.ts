import { getOption } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import { reactionPrefix, systemSubscriptions } from "../../command/received-event.ts";
import { CommandAcceptedSchema, CommandFailedSchema, IntentSchema } from "../../gen/quartet/v1/intent_pb.ts";
import * as options from "../../gen/quartet/v1/options_pb.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../pbtable/run-transaction.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { systemRegistry } from "../../schema/system-registry.ts";
import { tableOf } from "../../schema/table/table.ts";
import type { Domain } from "../../service/domain.ts";

/** A subscription as code declares it. */
export type DeclaredSubscription = Pick<Subscription, "name" | "types" | "endpoint" | "concurrency"> & {
  readonly delivery: Subscription["delivery"];
};

const defaultConcurrency = 16;

/** The platform's own subscriptions and one per reaction of the domain. */
export function declareSubscriptions(domain: Domain): readonly DeclaredSubscription[] {
  const system = (name: string, endpoint: string, types: string[]): DeclaredSubscription => ({
    name,
    endpoint,
    types,
    concurrency: defaultConcurrency,
    delivery: undefined,
  });
  return [
    system(systemSubscriptions.intents, "class:crud", [IntentSchema.typeName, CommandFailedSchema.typeName]),
    system(systemSubscriptions.operations, "class:crud", [CommandAcceptedSchema.typeName]),
    system(systemSubscriptions.decisions, "class:micro", [CommandAcceptedSchema.typeName]),
    ...[...domain.reactions.values()].map((reaction) => {
      const settings = getOption(reaction.settings, options.subscription);
      return {
        name: reactionPrefix + reaction.name,
        endpoint: "class:micro",
        types: [reaction.eventType],
        concurrency: settings.concurrency || defaultConcurrency,
        delivery: settings.delivery,
      };
    }),
  ];
}

/**
 * Records what code declares: new subscriptions begin at the log's head as it is now, known ones keep their cursor and
 * whether they are paused. Nothing is removed.
 *
 * @returns all subscriptions of the database.
 */
export async function recordSubscriptions(
  pool: Pool,
  declared: readonly DeclaredSubscription[],
): Promise<readonly Subscription[]> {
  return runTransaction(pool, async (client) => {
    const table = tableOf(SubscriptionSchema);
    const writer = new TableWriter<typeof SubscriptionSchema>(table, client, systemRegistry);
    for (const { delivery, ...rest } of declared) {
      const init = delivery === undefined ? rest : { ...rest, delivery };
      if (!(await writer.insertIfAbsent(init))) {
        await writer.update(rest.name, (draft) => {
          Object.assign(draft, init);
        });
      }
      await client.query(
        `insert into quartet.cursor (subscription, seq)
select $1, seq from quartet.log_head on conflict do nothing`,
        [rest.name],
      );
    }
    const all = await client.query<{ pb: unknown }>(`select pb from ${table.sqlName} order by name`);
    return all.rows.map((row) => writer.decode(row.pb));
  });
}

/** Halts a subscription until somebody resumes it. */
export async function pauseSubscription(pool: Pool, name: string): Promise<void> {
  await runTransaction(pool, async (client) => {
    const table = tableOf(SubscriptionSchema);
    const writer = new TableWriter<typeof SubscriptionSchema>(table, client, systemRegistry);
    await writer.update(name, (draft) => {
      draft.paused = true;
    });
  });
}
