import { create, type JsonValue, type MessageInitShape, type Registry } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { PoolClient } from "pg";
import { systemEvent } from "../../command/publish-system-event.ts";
import { systemSubscriptions } from "../../command/received-event.ts";
import { toProblem } from "../../error/problem.ts";
import { QuartetError } from "../../error/quartet-error.ts";
import {
  type CommandAccepted,
  CommandAcceptedSchema,
  CommandFailedSchema,
  type Intent,
  IntentSchema,
} from "../../gen/quartet/v1/intent_pb.ts";
import { ProblemSchema } from "../../gen/quartet/v1/problem_pb.ts";
import { DeadLetterSchema } from "../../gen/quartet/v1/subscription_pb.ts";
import { appendEvents } from "../../outbox/append-events.ts";
import { createEventId, deriveEventId } from "../../outbox/event-id.ts";
import type { OutboxEvent } from "../../outbox/outbox-event.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { decodeStoredJson } from "../../schema/json/json.ts";
import { tableOf } from "../../schema/table/table.ts";
import type { Domain } from "../../service/domain.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { PushFailure } from "../push/push-outcome.ts";
import { type AttemptRecord, storableText, takeAttempts } from "./attempts.ts";
import { headOf, letterIdOf, parseLetter, toAttempt } from "./dead-letter.ts";
import type { DeliveryPlan } from "./delivery-plan.ts";

/** Of an event that was given back again and again, the newest attempts. */
const keptAttempts = 100;

/** An event that is dead. */
export interface Burial {
  readonly event: LogEvent;
  /** Made since it was published or given back. */
  readonly attempts: number;
  /** The dead letter that it was before, as stored JSON text. */
  readonly letter: string | undefined;
  readonly failure: PushFailure;
}

/**
 * Makes dead letters of events in the caller's transaction: the letter with the attempts that are known, and, where a
 * command waits for the event, the event that ends the command's operation as failed. Idempotent.
 */
export async function buryEvents(
  client: PoolClient,
  domain: Domain,
  plan: Pick<DeliveryPlan, "name" | "publicName">,
  burials: readonly Burial[],
): Promise<void> {
  if (burials.length === 0) return;
  const seqs = burials.map(({ event }) => event.seq);
  const attempts = Map.groupBy(await takeAttempts(client, plan.name, seqs), ({ seq }) => seq);
  const letters = new TableWriter<typeof DeadLetterSchema>(
    tableOf(DeadLetterSchema),
    client,
    domain.registry,
  );
  for (const burial of burials) {
    await letters.insertIfAbsent(
      createLetter(plan.publicName, burial, attempts.get(burial.event.seq) ?? [], domain.registry),
    );
  }
  await appendEvents(
    client,
    burials.flatMap((burial) => failureEvent(domain, plan.publicName, burial)),
  );
}

function createLetter(
  subscription: string,
  { event, attempts, letter, failure }: Burial,
  records: readonly AttemptRecord[],
  registry: Registry,
): MessageInitShape<typeof DeadLetterSchema> {
  const earlier = letter === undefined ? undefined : parseLetter(letter, registry);
  const log = [...(earlier?.attemptLog ?? []), ...records.map(toAttempt)];
  return {
    deadLetterId: event.eventId === "" ? createEventId() : letterIdOf(subscription, event.eventId),
    subscription,
    sequence: event.seq,
    eventId: event.eventId,
    eventType: event.type,
    eventKey: event.key,
    eventData: event.payload,
    destination: failure.destination,
    attempts: (earlier?.attempts ?? 0) + attempts,
    lastStatus: failure.status,
    lastAnswer: storableText(failure.answer),
    deadTime: timestampFromDate(new Date()),
    age: durationFromMs(Math.max(0, Date.now() - event.committedAt.getTime())),
    attemptLog: log.slice(-keptAttempts),
    eventHead: headOf(event),
  };
}

function failureEvent(domain: Domain, subscription: string, { event, failure }: Burial): OutboxEvent[] {
  const failed = failedCommand(domain, subscription, event, failure);
  if (failed === undefined) return [];
  const facts = {
    id: deriveEventId(event.eventId, "dead"),
    key: failed.operationId,
    causationId: event.eventId,
    traceparent: event.traceparent,
  };
  return [systemEvent(CommandFailedSchema, failed, facts, domain.registry)];
}

/** The failure of the command that a dead intent or acceptance carried; undefined when no client waits for it. */
function failedCommand(domain: Domain, subscription: string, event: LogEvent, failure: PushFailure) {
  const source = readCommand(domain, subscription, event);
  if (source === undefined || source.operationId === "") return undefined;
  const { operationId, method, principal, fingerprint, acceptTime, callbackUrl } = source;
  const error = new QuartetError(
    "internal",
    `The command could not be carried out; its event is a dead letter (${failure.status || "no answer"}).`,
    { fix: "Its dead letter has every detail." },
  );
  return create(CommandFailedSchema, {
    operationId,
    method,
    principal,
    fingerprint,
    callbackUrl,
    ...(acceptTime === undefined ? {} : { acceptTime }),
    problem: create(ProblemSchema, toProblem(error)),
  });
}

function readCommand(
  domain: Domain,
  subscription: string,
  event: LogEvent,
): Intent | CommandAccepted | undefined {
  const decides = subscription === systemSubscriptions.decisions;
  const isCommand = event.type === IntentSchema.typeName;
  if (!isCommand && !(decides && event.type === CommandAcceptedSchema.typeName)) return undefined;
  try {
    const json = JSON.parse(event.payload) as JsonValue;
    if (isCommand) return decodeStoredJson(IntentSchema, json, domain.registry);
    return decodeStoredJson(CommandAcceptedSchema, json, domain.registry);
  } catch {
    // It may be dead for the very reason that nobody can read it.
  }
  return undefined;
}
