import type { Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { deriveEventId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { runTransaction } from "../pbtable/run-transaction.ts";
import { translateDatabaseError } from "../pbtable/translate-error.ts";
import { parsePosition } from "../position/position.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { Decision } from "../service/decision.ts";
import type { Reaction } from "../service/reaction.ts";
import { type Cause, sealEvents } from "./apply-writes.ts";
import { commitIntent } from "./commit-intent.ts";
import { decideReaction } from "./decide.ts";
import type { CallScope } from "./handler-context.ts";
import { encodeIntent } from "./intent.ts";
import { systemEvent } from "./publish-system-event.ts";
import { type ReceivedEvent, reactionPrefix, systemSubscriptions } from "./received-event.ts";
import { type Runtime, requireMain, requireOutbox } from "./runtime.ts";

/** Longest wait for the replica to show what caused the event; then the push is tried again later. */
const catchUpMs = 2_000;

/**
 * Runs a reaction: reads at least what caused the event, decides, and commits decision and inbox entry together. A
 * repeated push decides again and has no effect.
 */
export async function receiveReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  scope: CallScope,
): Promise<void> {
  const reaction = runtime.domain.reactions.get(event.subscription.slice(reactionPrefix.length));
  if (reaction === undefined || reaction.eventType !== event.type) {
    throw new QuartetError("unimplemented", `No reaction here takes ${event.type} as ${event.subscription}.`);
  }
  const message = decodeEvent(runtime, reaction, event);
  if (event.position !== undefined && runtime.found.serviceClass !== "crud") {
    await requireMain(runtime).replay.wait(parsePosition(event.position), catchUpMs, scope.signal);
  }
  const decision = await decideReaction(runtime, reaction, scope, event, message);
  const cause: Cause = {
    causeId: deriveEventId(event.id, event.subscription),
    operationId: "",
    acceptTime: event.time,
    traceparent: event.traceparent,
  };
  if (runtime.found.serviceClass === "crud") await commitReaction(runtime, event, cause, decision);
  else await publishReaction(runtime, event, cause, decision);
}

/** In crud: effects, inbox entry and the entry of the intent that a micro would have published, in one transaction. */
async function commitReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  cause: Cause,
  decision: Decision,
): Promise<void> {
  await commitIntent(runtime, {
    cause: { ...cause, causeId: intentIdOf(cause) },
    writes: decision.writes,
    events: decision.events,
    head: undefined,
    claims: [
      { consumer: event.subscription, eventId: event.id },
      { consumer: systemSubscriptions.intents, eventId: intentIdOf(cause) },
    ],
    answerOf: () => undefined,
  });
}

/** In micro: writes become one intent that carries the events; without writes the events go out by themselves. */
async function publishReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  cause: Cause,
  decision: Decision,
): Promise<void> {
  const outgoing = decision.writes.length > 0 ? [intentOf(runtime, event, cause, decision)] : undefined;
  const events =
    outgoing ??
    sealEvents(decision.events, { ...cause, causeId: intentIdOf(cause) }, runtime.domain.registry);
  try {
    await runTransaction(requireOutbox(runtime), async (client) => {
      if (await claimEvent(client, event.subscription, event.id)) await appendEvents(client, events);
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

function intentOf(runtime: Runtime, event: ReceivedEvent, cause: Cause, decision: Decision): OutboxEvent {
  const intent = encodeIntent(decision, undefined, runtime.domain.registry);
  return systemEvent(
    IntentSchema,
    intent,
    {
      id: intentIdOf(cause),
      key: event.key,
      causationId: event.id,
      traceparent: event.traceparent,
    },
    runtime.domain.registry,
  );
}

function intentIdOf(cause: Cause): string {
  return deriveEventId(cause.causeId, "intent");
}

function decodeEvent(runtime: Runtime, reaction: Reaction, event: ReceivedEvent): Message {
  try {
    return decodeStoredJson(reaction.event, event.data, runtime.domain.registry);
  } catch (cause) {
    throw new QuartetError("unprocessable_event", `The data is no ${reaction.event.typeName}.`, { cause });
  }
}
