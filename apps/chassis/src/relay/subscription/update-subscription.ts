import { clone, type DescMessage } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Pool } from "pg";
import { systemSubscriptions } from "../../command/received-event.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import { type Subscription, SubscriptionSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { runTransaction } from "../../sql/run-transaction.ts";
import { checkSubscription } from "./check-subscription.ts";
import { lockSubscription, refuseDeclared, subscriptionWriter } from "./subscription-table.ts";

/** What may be changed like that. The rest has verbs of its own, or is the platform's. */
const settable: ReadonlySet<string> = new Set([
  "types",
  "type_prefixes",
  "filters",
  "endpoint",
  "delivery",
  "concurrency",
  "mode",
  "batch",
  "order",
  "rate",
  "data_format",
  "max_data_bytes",
  "replies",
  "attempt_log",
]);

/** What code says nothing of where the platform itself declares a subscription. */
const tunable: ReadonlySet<string> = new Set(["delivery", "concurrency", "rate"]);
const systemNames: ReadonlySet<string> = new Set(Object.values(systemSubscriptions));

/**
 * Changes the fields that `paths` name (a field, or one of `batch` or `delivery`, such as `delivery.timeout`) to what
 * `changes` has, absent ones included. Whoever delivers it begins anew with the new settings, where it is.
 *
 * Of the platform's own (`intents` and the like), delivery, concurrency and rate can be changed.
 *
 * @throws QuartetError `invalid_argument` naming the field, `not_found`, `failed_precondition` for one that code declares.
 */
export async function updateSubscription(
  pool: Pool,
  changes: Subscription,
  paths: readonly string[],
): Promise<Subscription> {
  const parsed = parsePaths(paths);
  return runTransaction(pool, async (client) => {
    const current = await lockSubscription(client, changes.name);
    const isTuning = systemNames.has(current.name) && parsed.every(([head = ""]) => tunable.has(head));
    if (!isTuning) refuseDeclared(current, "changed");
    const wanted = clone(SubscriptionSchema, current);
    for (const path of parsed)
      copyField(reflect(SubscriptionSchema, changes), reflect(SubscriptionSchema, wanted), path);
    checkSubscription(wanted);
    return subscriptionWriter(client).update(changes.name, (draft) => {
      const [from, to] = [reflect(SubscriptionSchema, changes), reflect(SubscriptionSchema, draft)];
      for (const path of parsed) copyField(from, to, path);
    });
  });
}

function parsePaths(paths: readonly string[]): readonly (readonly string[])[] {
  if (paths.length === 0) throw invalidMask("names nothing to be changed");
  return paths.map((path) => {
    const [head = "", ...rest] = path.split(".");
    if (!settable.has(head))
      throw invalidMask(`names "${path.slice(0, 80)}", which is nothing that can be changed`);
    let message: DescMessage | undefined = SubscriptionSchema;
    for (const name of [head, ...rest]) {
      const field: DescMessage["fields"][number] | undefined = message?.fields.find(
        (each) => each.name === name,
      );
      if (field === undefined) throw invalidMask(`names "${path.slice(0, 80)}", which is no field`);
      message = field.fieldKind === "message" ? field.message : undefined;
    }
    return [head, ...rest];
  });
}

/** Copies one field. A message on the way to it that is absent in `to` is made. */
function copyField(from: ReflectMessage, to: ReflectMessage, [name = "", ...rest]: readonly string[]): void {
  const field = from.desc.fields.find((each) => each.name === name);
  if (field === undefined) throw new TypeError(`${name} was checked`);
  if (rest.length === 0 || field.fieldKind !== "message") {
    if (from.isSet(field)) to.set(field, from.get(field));
    else to.clear(field);
    return;
  }
  const inner = to.get(field);
  copyField(from.get(field), inner, rest);
  to.set(field, inner);
}

function invalidMask(problem: string): QuartetError {
  return new QuartetError("invalid_argument", `update_mask ${problem}.`, {
    field: "update_mask",
    fix: `Name some of ${[...settable].join(", ")}.`,
  });
}
