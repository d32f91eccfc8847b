import type { IncomingMessage, ServerResponse } from "node:http";
import { toQuartetError } from "../error/problem.ts";
import { translateDatabaseError } from "../sql/translate-error.ts";
import { sendProblem } from "../wire/http/send-problem.ts";
import { Admission } from "./admission.ts";
import { ClaimStatement } from "./begin-with-claims.ts";
import { type EffectSettings, settleGroup, type WaitingEvent } from "./claimed-group.ts";
import { answerPush, type EventOutcome } from "./event-outcome.ts";
import { GroupQueue } from "./group-queue.ts";
import { type InboxEvent, inboxKeyOf, toInboxEvent } from "./inbox-event.ts";
import { type CheckedOptions, checkInboxOptions, type InboxOptions } from "./inbox-options.ts";
import { readPush } from "./read-push.ts";
import { runSideBySide } from "./run-side-by-side.ts";
import { withinLimit } from "./within-limit.ts";

/** Answers requests of `node:http`, and is an Express handler as it is. */
export type InboxHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Receives pushed CloudEvents, from a Quartet relay or anybody who signs by Standard Webhooks, and gives each its effect
 * exactly once: the inbox' row and the effect are one transaction. 204 says that the effects of all events of the request
 * are committed, now or before; a batch is else answered 200 with the events that failed (`batchItemFailures`).
 *
 * ```ts
 * const inbox = createInbox({ pool, secrets: [secret], handle: (tx, event) => … });
 * createServer(inbox);                        // node:http
 * app.post("/events", inbox);                 // Express, before any body parser
 * ```
 *
 * Mount it before body parsers: signatures are over raw bytes. After `express.raw()` it takes the bytes that one kept.
 *
 * Events that arrive while transactions are under way share the next one; one bad event among them is undone alone. Of one request, events of one key have their effects in order, and those behind one that failed are answered 425.
 * Across requests the order is the sender's: a relay does not push a key's next event before the one before is answered.
 * An event that is pushed again does not share its transaction. A client that goes does not stop what it has sent.
 *
 * What it costs on a machine whose two cores are both busy, in µs of CPU an event: with one event a request and a handler
 * of one INSERT 90 here and 80 in PostgreSQL (a third of ours is writing to the database's socket, so a handler's round
 * trips are what counts); with 100 events a request and one INSERT of many rows 29 here and 25 there.
 *
 * @throws QuartetError `invalid_argument` for an option that is none.
 */
export function createInbox(options: InboxOptions): InboxHandler {
  const checked = checkInboxOptions(options);
  const onError = guard(options.onError ?? ((error) => console.error("An inbox failed:", error)));
  const admission = new Admission(checked.maxWaitingBytes, checked.rules.maxBodyBytes);
  const effects = effectsOf(options, checked, onError);
  const queue = new GroupQueue<WaitingEvent>({
    maxRunning: checked.maxTransactions,
    maxGroup: checked.maxBatch,
    together: options.handleBatch !== undefined || options.sideBySide === true,
    isAlone: ({ event }) => event.attempt > 1,
    run: (group) => settleGroup(effects, group),
  });
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const leave = admission.enter(request);
    try {
      const push = await readPush(request, checked.rules);
      const events = push.events.map((event) => toInboxEvent(event, request.headers));
      answerPush(response, push, await settleAll(queue, events, options.consumer));
    } finally {
      leave();
    }
  };
  return (request, response) => {
    receive(request, response).catch((thrown: unknown) => {
      const error = toQuartetError(translateDatabaseError(thrown));
      if (error.code === "internal") onError(thrown, undefined);
      sendProblem(response, error);
    });
  };
}

function effectsOf(
  options: InboxOptions,
  { tableName, handlerTimeoutMs }: CheckedOptions,
  onError: EffectSettings["onError"],
): EffectSettings {
  const effect = effectOf(options, handlerTimeoutMs);
  return { pool: options.pool, claim: new ClaimStatement(tableName), effect, onError };
}

/** The limit is for one call of the handler; of handlers side by side, for all of them. */
function effectOf(options: InboxOptions, limitMs: number): EffectSettings["effect"] {
  if (options.handleBatch !== undefined || options.sideBySide === true) {
    const together = options.handleBatch ?? runSideBySide(options.handle);
    return ({ client, tx }, events) => withinLimit(client, limitMs, () => together(tx, events));
  }
  return async ({ client, tx }, events) => {
    for (const event of events) await withinLimit(client, limitMs, () => options.handle(tx, event));
  };
}

/** What only reports may not keep a group from being settled. */
function guard(onError: NonNullable<InboxOptions["onError"]>): NonNullable<InboxOptions["onError"]> {
  return (error, event) => {
    try {
      onError(error, event);
    } catch (cause) {
      console.error("onError of an inbox failed:", cause);
    }
  };
}

/** The outcomes of a push' events, in their order, once all have one. */
function settleAll(
  queue: GroupQueue<WaitingEvent>,
  events: readonly InboxEvent[],
  consumer: string | undefined,
): Promise<readonly EventOutcome[]> {
  const outcomes: EventOutcome[] = [];
  const failedKeys = new Set<string>();
  let open = events.length;
  return new Promise((resolve) => {
    if (open === 0) resolve(outcomes);
    for (const [index, event] of events.entries()) {
      const settle = (outcome: EventOutcome) => {
        outcomes[index] = outcome;
        open -= 1;
        if (open === 0) resolve(outcomes);
      };
      queue.add(event.key, { event, inboxKey: inboxKeyOf(event, consumer), failedKeys, settle });
    }
  });
}
