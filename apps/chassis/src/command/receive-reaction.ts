import type { DescMessage, Message } from "@bufbuild/protobuf";
import { QuartetError } from "../error/quartet-error.ts";
import { IntentSchema } from "../gen/quartet/v1/intent_pb.ts";
import { claimEvent } from "../inbox/claim-event.ts";
import { appendStatement } from "../outbox/append-events.ts";
import { deriveReplyId } from "../outbox/event-id.ts";
import type { OutboxEvent } from "../outbox/outbox-event.ts";
import { parsePosition } from "../position/position.ts";
import { decodeStoredJson } from "../schema/json/json.ts";
import type { Decision } from "../service/decision.ts";
import { eventMessageOf } from "../service/reaction.ts";
import { runCommit } from "../sql/run-commit.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { type Cause, sealEvents } from "./apply-writes.ts";
import { printCause } from "./causing-event.ts";
import { commitDecision, keptChanging } from "./commit-decision.ts";
import type { InboxClaim } from "./commit-intent.ts";
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
  const desc = reaction === undefined ? undefined : eventMessageOf(reaction, event.type);
  if (reaction === undefined || desc === undefined) {
    throw new QuartetError("unimplemented", `No reaction here takes ${event.type} as ${event.subscription}.`);
  }
  const { serviceClass } = runtime.found;
  const message = decodeEvent(runtime, desc, event);
  if (event.position !== undefined && runtime.main !== undefined && serviceClass !== "crud") {
    // A commit that a failover has lost is nowhere to be read: its event is reacted to all the same.
    await runtime.main.replay.waitIfPossible(parsePosition(event.position), catchUpMs, scope.signal);
  }
  const decide = () => decideReaction(runtime, reaction, scope, event, message);
  if (serviceClass === "crud") {
    await commitReaction(runtime, event, scope, decide);
    return [];
  }
  const outgoing = outgoingOf(runtime, event, await decide());
  if (serviceClass === "lambda") return outgoing;
  await publishReaction(runtime, event, outgoing);
  return [];
}

/** What the reaction's effects in crud are remembered by: the push, and the intent another class would have published. */
function claimsOf(event: ReceivedEvent): readonly InboxClaim[] {
  return [
    { consumer: event.subscription, eventId: event.id },
    { consumer: systemSubscriptions.intents, eventId: intentIdOf(event) },
  ];
}

/**
 * In crud: effects and inbox entries in one transaction, as if the intent had come. What only publishes has no reads that
 * count.
 *
 * @throws QuartetError `aborted` when what it read changed each time; then the push is tried again later.
 */
async function commitReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  scope: CallScope,
  decide: () => Promise<Decision>,
): Promise<void> {
  const result = await commitDecision(runtime, scope.signal, decide, (decision) => ({
    ...decision,
    ...(decision.writes.length > 0
      ? { cause: { ...causeOf(event), causeId: intentIdOf(event) } }
      : { cause: causeOf(event), eventIdOf: replyIdsOf(event) }),
    head: undefined,
    claims: claimsOf(event),
    answerOf: () => undefined,
  }));
  if (result.kind === "conflict") throw keptChanging(result.conflict);
}

/** What is published where tables are not written: writes as one intent that carries the events; else the events. */
function outgoingOf(runtime: Runtime, event: ReceivedEvent, decision: Decision): readonly OutboxEvent[] {
  const { registry } = runtime.domain;
  if (decision.writes.length === 0) {
    return sealEvents(decision.events, causeOf(event), registry, replyIdsOf(event));
  }
  const facts = {
    id: intentIdOf(event),
    key: event.key,
    causationId: event.id,
    traceparent: event.traceparent,
  };
  const intent = encodeIntent(decision, undefined, registry, printCause(event));
  return [systemEvent(IntentSchema, intent, facts, registry)];
}

/** In micro. */
async function publishReaction(
  runtime: Runtime,
  event: ReceivedEvent,
  outgoing: readonly OutboxEvent[],
): Promise<void> {
  try {
    await runCommit(requireOutbox(runtime), async (client) => {
      // The entry of the intent is the crud class' alone, to be claimed there.
      if (await claimEvent(client, event.subscription, event.id)) client.defer(appendStatement(outgoing));
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

function causeOf(event: ReceivedEvent): Cause {
  return { causeId: event.id, operationId: "", acceptTime: event.time, traceparent: event.traceparent };
}

function replyIdsOf(event: ReceivedEvent): (ordinal: number) => string {
  return (ordinal) => deriveReplyId(event.id, event.subscription, ordinal);
}

function intentIdOf(event: ReceivedEvent): string {
  return deriveReplyId(event.id, event.subscription, 0);
}

function decodeEvent(runtime: Runtime, desc: DescMessage, event: ReceivedEvent): Message {
  try {
    return decodeStoredJson(desc, event.data, runtime.domain.registry);
  } catch (cause) {
    throw new QuartetError("unprocessable_event", `The data is no ${desc.typeName}.`, { cause });
  }
}
