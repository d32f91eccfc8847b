import type { Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendEvents } from "../outbox/append-events.ts";
import { deriveReplyId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { runTransaction } from "../pbtable/run-transaction.ts";
import { translateDatabaseError } from "../pbtable/translate-error.ts";
import { parsePosition } from "../position/position.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { Decision } from "../service/decision.ts";
import type { Reaction } from "../service/reaction.ts";
import { type Cause, sealEvents } from "./apply-writes.ts";
import { commitIntent, type InboxClaim } from "./commit-intent.ts";
import { decideReaction } from "./decide.ts";
import type { CallScope } from "./handler-context.ts";
import { encodeIntent } from "./intent.ts";
import { systemEvent } from "./publish-system-event.ts";
import { type ReceivedEvent, reactionPrefix, systemSubscriptions } from "./received-event.ts";
import { type Runtime, requireOutbox } from "./runtime.ts";

/** Longest wait for the replica to show what caused the event; then the push is tried again later. */
const catchUpMs = 2_000;

/**
 * Runs a reaction: reads at least what caused the event, decides, and commits decision and inbox entry together. A
 * repeated push decides again and has no effect.
 *
 * What a decision publishes has the same ids in every class: an intent, when it writes, is the first reply to the event,
 * and its events are caused by the intent; else its events are the replies. So a push that one class has done and another
 * gets again, as when the first one's answer was lost, is done once.
 *
 * @returns in the lambda class, which has no outbox, what whoever pushed the event must publish for it; else nothing.
 */
export async function receiveReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  scope: CallScope,
): Promise<readonly OutboxEvent[]> {
  const reaction = runtime.domain.reactions.get(event.subscription.slice(reactionPrefix.length));
  if (reaction === undefined || reaction.eventType !== event.type) {
    throw new QuartetError("unimplemented", `No reaction here takes ${event.type} as ${event.subscription}.`);
  }
  const { serviceClass } = runtime.found;
  const message = decodeEvent(runtime, reaction, event);
  if (event.position !== undefined && runtime.main !== undefined && serviceClass !== "crud") {
    await runtime.main.replay.wait(parsePosition(event.position), catchUpMs, scope.signal);
  }
  const decision = await decideReaction(runtime, reaction, scope, event, message);
  if (serviceClass === "crud" && decision.writes.length > 0) await commitReaction(runtime, event, decision);
  else {
    const outgoing = outgoingOf(runtime, event, decision);
    if (serviceClass === "lambda") return outgoing;
    await publishReaction(runtime, event, outgoing);
  }
  return [];
}

/** What the reaction's effects in crud are remembered by: the push, and the intent another class would have published. */
function claimsOf(event: ReceivedEvent): readonly InboxClaim[] {
  return [
    { consumer: event.subscription, eventId: event.id },
    { consumer: systemSubscriptions.intents, eventId: intentIdOf(event) },
  ];
}

/** In crud: effects and inbox entries in one transaction, as if the intent had come. */
async function commitReaction(runtime: Runtime, event: ReceivedEvent, decision: Decision): Promise<void> {
  await commitIntent(runtime, {
    cause: { ...causeOf(event), causeId: intentIdOf(event) },
    writes: decision.writes,
    events: decision.events,
    head: undefined,
    claims: claimsOf(event),
    answerOf: () => undefined,
  });
}

/** What is published where tables are not written: writes as one intent that carries the events; else the events. */
function outgoingOf(runtime: Runtime, event: ReceivedEvent, decision: Decision): readonly OutboxEvent[] {
  const { registry } = runtime.domain;
  const idOf = (ordinal: number) => deriveReplyId(event.id, event.subscription, ordinal);
  if (decision.writes.length === 0) return sealEvents(decision.events, causeOf(event), registry, idOf);
  const facts = {
    id: intentIdOf(event),
    key: event.key,
    causationId: event.id,
    traceparent: event.traceparent,
  };
  return [systemEvent(IntentSchema, encodeIntent(decision, undefined, registry), facts, registry)];
}

async function publishReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  outgoing: readonly OutboxEvent[],
): Promise<void> {
  // The entry of the intent is the crud class' alone: a micro publishes it, to be claimed there.
  const claims = runtime.found.serviceClass === "crud" ? claimsOf(event) : claimsOf(event).slice(0, 1);
  try {
    await runTransaction(requireOutbox(runtime), async (client) => {
      for (const { consumer, eventId } of claims) {
        if (!(await claimEvent(client, consumer, eventId))) return;
      }
      await appendEvents(client, outgoing);
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

function causeOf(event: ReceivedEvent): Cause {
  return { causeId: event.id, operationId: "", acceptTime: event.time, traceparent: event.traceparent };
}

function intentIdOf(event: ReceivedEvent): string {
  return deriveReplyId(event.id, event.subscription, 0);
}

function decodeEvent(runtime: Runtime, reaction: Reaction, event: ReceivedEvent): Message {
  try {
    return decodeStoredJson(reaction.event, event.data, runtime.domain.registry);
  } catch (cause) {
    throw new QuartetError("unprocessable_event", `The data is no ${reaction.event.typeName}.`, { cause });
  }
}
