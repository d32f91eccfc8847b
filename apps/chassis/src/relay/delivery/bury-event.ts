import { create, type JsonValue } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Pool } from "pg";
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
import { deriveEventId } from "../../outbox/event-id.ts";
import { runTransaction } from "../../pbtable/run-transaction.ts";
import { TableWriter } from "../../pbtable/table-writer.ts";
import { decodeStoredJson } from "../../schema/json/json.ts";
import { tableOf } from "../../schema/table/table.ts";
import type { Domain } from "../../service/domain.ts";
import type { LogEvent } from "../log/log-event.ts";
import type { PushFailure } from "../push/push-outcome.ts";
import { removeParked, storableText } from "./parked-events.ts";

/**
 * Makes a dead letter of an event, in one transaction: the letter, the end of its parking, and, where a command waits
 * for it, the event that ends the command's operation as failed. Idempotent.
 */
export async function buryEvent(
  pool: Pool,
  domain: Domain,
  subscription: string,
  event: LogEvent,
  attempts: number,
  failure: PushFailure,
): Promise<void> {
  const deadLetterId = deriveEventId(event.eventId, `dead/${subscription}`);
  const failed = failedCommand(domain, subscription, event, failure);
  await runTransaction(pool, async (client) => {
    const letters = new TableWriter<typeof DeadLetterSchema>(
      tableOf(DeadLetterSchema),
      client,
      domain.registry,
    );
    await letters.insertIfAbsent({
      deadLetterId,
      subscription,
      sequence: event.seq,
      eventId: event.eventId,
      eventType: event.type,
      eventKey: event.key,
      eventData: event.payload,
      destination: failure.destination,
      attempts,
      lastStatus: failure.status,
      lastAnswer: storableText(failure.answer),
      deadTime: timestampFromDate(new Date()),
      age: durationFromMs(Math.max(0, Date.now() - event.committedAt.getTime())),
    });
    await removeParked(client, subscription, event.seq);
    if (failed === undefined) return;
    const facts = {
      id: deriveEventId(event.eventId, "dead"),
      key: failed.operationId,
      causationId: event.eventId,
      traceparent: event.traceparent,
    };
    await appendEvents(client, [systemEvent(CommandFailedSchema, failed, facts, domain.registry)]);
  });
}

/** The failure of the command that a dead intent or acceptance carried; undefined when no client waits for it. */
function failedCommand(domain: Domain, subscription: string, event: LogEvent, failure: PushFailure) {
  const source = readCommand(domain, subscription, event);
  if (source === undefined || source.operationId === "") return undefined;
  const { operationId, method, principal, fingerprint, acceptTime } = source;
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
    ...(acceptTime === undefined ? {} : { acceptTime }),
    problem: create(ProblemSchema, toProblem(error)),
  });
}

function readCommand(
  domain: Domain,
  subscription: string,
  event: LogEvent,
): Intent | CommandAccepted | undefined {
  const json = JSON.parse(event.payload) as JsonValue;
  try {
    if (event.type === IntentSchema.typeName) return decodeStoredJson(IntentSchema, json, domain.registry);
    const decides = subscription === systemSubscriptions.decisions;
    if (decides && event.type === CommandAcceptedSchema.typeName) {
      return decodeStoredJson(CommandAcceptedSchema, json, domain.registry);
    }
  } catch {
    // It may be dead for the very reason that nobody can read it.
  }
  return undefined;
}
