import { QuartetError } from "../error/quartet-error.ts";
import {
  type CommandAccepted,
  CommandAcceptedSchema,
  CommandFailedSchema,
  IntentSchema,
} from "../gen/quartet/v1/intent_pb.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import { isMissingGrant } from "../sql/translate-error.ts";
import type { CallScope } from "./handler-context.ts";
import { decideAccepted, recordAccepted } from "./receive-accepted.ts";
import { receiveFailure, receiveIntent } from "./receive-intent.ts";
import { receiveReaction } from "./receive-reaction.ts";
import { type ReceivedEvent, reactionPrefix, systemSubscriptions } from "./received-event.ts";
import type { Runtime } from "./runtime.ts";

/**
 * Gives a pushed event its effect, once: returns normally when the effect is committed, now or before.
 *
 * @returns in the lambda class the effect itself: events to be committed by whoever pushed. Else nothing.
 * @throws QuartetError whose code tells the relay whether to try again (see `error-codes.ts`).
 */
export async function receiveEvent(
  runtime: Runtime,
  event: ReceivedEvent,
  scope: CallScope,
): Promise<readonly OutboxEvent[]> {
  try {
    if (event.subscription.startsWith(reactionPrefix)) return await receiveReaction(runtime, event, scope);
    await receiveSystemEvent(runtime, event, scope);
    return [];
  } catch (error) {
    throw isMissingGrant(error) ? notGranted(error) : error;
  }
}

/** A fault of the deployment: it is tried again. Others of this process may be well, so it does not say to be away. */
function notGranted(cause: unknown): QuartetError {
  return new QuartetError("internal", "The database refused: this login may not do that.", {
    cause,
    fix: "Run `quartet apply`, which grants each class what it needs.",
  });
}

async function receiveSystemEvent(runtime: Runtime, event: ReceivedEvent, scope: CallScope): Promise<void> {
  switch (event.subscription) {
    case systemSubscriptions.intents:
      requireCrud(runtime, event);
      return event.type === CommandFailedSchema.typeName
        ? receiveFailure(runtime, event, decode(runtime, event, CommandFailedSchema))
        : receiveIntent(runtime, event, decode(runtime, event, IntentSchema), scope);
    case systemSubscriptions.operations:
      requireCrud(runtime, event);
      return recordAccepted(runtime, decodeAccepted(runtime, event));
    case systemSubscriptions.decisions:
      return decideAccepted(runtime, event, decodeAccepted(runtime, event), scope);
    default:
      throw new QuartetError(
        "unprocessable_event",
        `There is no subscription "${event.subscription}" here.`,
        {
          field: "quartetsubscription",
        },
      );
  }
}

function decodeAccepted(runtime: Runtime, event: ReceivedEvent): CommandAccepted {
  return decode(runtime, event, CommandAcceptedSchema);
}

function decode<D extends typeof CommandAcceptedSchema | typeof CommandFailedSchema | typeof IntentSchema>(
  runtime: Runtime,
  event: ReceivedEvent,
  desc: D,
) {
  if (event.type !== desc.typeName) {
    throw new QuartetError("unprocessable_event", `${event.subscription} does not take a ${event.type}.`);
  }
  try {
    return decodeStoredJson(desc, event.data, runtime.domain.registry);
  } catch (cause) {
    throw new QuartetError("unprocessable_event", `The data is no ${desc.typeName}.`, { cause });
  }
}

function requireCrud(runtime: Runtime, event: ReceivedEvent): void {
  if (runtime.found.serviceClass === "crud") return;
  throw new QuartetError("wrong_class", `A ${runtime.found.serviceClass} does not take ${event.type}.`);
}
