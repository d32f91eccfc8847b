import type { ServerResponse } from "node:http";
import { QuartetError } from "../error/quartet-error.ts";
import { type BatchItemFailure, batchFailuresType, formatBatchFailures } from "../wire/batch-result.ts";
import { sendProblem } from "../wire/http/send-problem.ts";
import type { Push } from "./read-push.ts";

/**
 * What became of one event of a push.
 *
 * - `done`: its effect is committed, now or before.
 * - `too_early`: an event before it, of its key and push, failed; it was not tried.
 * - an error: its effect was undone.
 */
export type EventOutcome = "done" | "too_early" | QuartetError;

/** RFC 8470, section 5.2: not now, since something else has to come first. */
const tooEarly = 425;

/**
 * Answers a push with the outcome of each of its events: 204 when all are done; of a single event its error; of a batch
 * 200 and the failed ones, or an error alone when it is that of all and speaks of this endpoint.
 */
export function answerPush(response: ServerResponse, push: Push, outcomes: readonly EventOutcome[]): void {
  const common = push.mode === "batch" ? commonFault(outcomes) : outcomes.find(isError);
  const failures = outcomes.flatMap((outcome, index) => toFailure(push.events[index]?.id ?? "", outcome));
  if (common !== undefined) sendProblem(response, common);
  else if (failures.length === 0) response.writeHead(204).end();
  else response.writeHead(200, { "Content-Type": batchFailuresType }).end(formatBatchFailures(failures));
}

/** Every event failed, and none for its own sake. */
function commonFault(outcomes: readonly EventOutcome[]): QuartetError | undefined {
  const [first] = outcomes;
  if (!isError(first) || (first.code !== "unavailable" && first.code !== "overloaded")) return undefined;
  const common = outcomes.every((outcome) => isError(outcome) && outcome.code === first.code);
  return common ? first : undefined;
}

function isError(outcome: EventOutcome | undefined): outcome is QuartetError {
  return outcome instanceof QuartetError;
}

function toFailure(eventId: string, outcome: EventOutcome): BatchItemFailure[] {
  if (outcome === "done") return [];
  if (outcome === "too_early") {
    return [{ eventId, status: tooEarly, detail: "An event before it, of the same key, failed." }];
  }
  const { status, retryAfterSeconds, message } = outcome;
  return [{ eventId, status, retryAfterSeconds, detail: message }];
}
